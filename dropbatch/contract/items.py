"""Items of the ledger as frozen types, and their form in DynamoDB.

| type             | id                                  | purpose                                              |
| ---------------- | ----------------------------------- | ---------------------------------------------------- |
| `Run`            | ``<group>#<run_id>``                | one input processed once by one pipeline             |
| `Job`            | ``job#<job_name>``                  | a job of AWS Batch that works on one or many runs    |
| `MonthlyLimit`   | ``<group>#month#<yyyy-mm>``         | the rest of what a group may use in a month          |
| `Pause`          | ``flag#paused``                     | nothing is submitted while it exists                 |
| `ExhaustedPool`  | ``flag#dry#<pool>``                 | a pool had no capacity; runs pass it over for a time |

Mail windows and limit notices are in `dropbatch.contract.mail_items`. Usage by month
(``<group>#month#<yyyy-mm>#<shard>``) is a set of counters: `dropbatch.contract.usage`.

A field at its default is not written: most runs have few of them, and the ledger's space is paid for. Named tuples
and not dataclasses: they are made in a third of the time when a function starts.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dropbatch.contract import ledger
from dropbatch.contract.keys import split_uri
from dropbatch.contract.manifest import ObjectSpec, RunSpec
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.runs import State, order, request_id
from dropbatch.contract.usage import NOTHING, Usage

__all__ = [
    "ExhaustedPool",
    "Job",
    "MonthlyLimit",
    "Pause",
    "Refusal",
    "Reservation",
    "Run",
    "earlier_attempt",
]

_PREPARED, _SUBMITTED = "PREPARED", "SUBMITTED"


class Reservation(NamedTuple):
    """The part of a group's monthly limit that a run holds until it ends."""

    month: str
    """``yyyy-mm``; it stays the same when the run goes on into the next month."""
    unit: str
    amount: int


class Run(NamedTuple):
    """A run. Times are `timestamp`s; a text that is not known is empty."""

    group: str
    run_id: str
    pipeline: str
    state: State
    attempt: int
    """Number of the current submission, from 1; 0 for a run that was rejected."""
    input: str
    """``s3://`` URI; a folder's ends in ``/``."""
    version_id: str
    """Version of the input, or of the marker that closed a folder."""
    size: int
    """Bytes; 0 for a folder."""
    created_at: str
    updated_at: str
    pending: bool = True
    """Whether work is left: the run has not ended, or its end has not been published yet."""
    output_prefix: str = ""
    """Key prefix of the results in the output bucket; empty for a file that was rejected."""
    parameters: Mapping[str, str] = {}
    config: ObjectSpec | None = None
    marker: str = ""
    """Key of the object that closed the folder."""
    pool: str = ""
    job_name: str = ""
    """The job that works on the run, or will; the name of a job that does not exist while the run waits for one."""
    job_id: str = ""
    """Batch's id, with ``:index`` for a child of an array job."""
    overrides: Overrides = Overrides()
    definition: str = ""
    """``name:revision`` of the job definition, for a run that reproduces another one."""
    parent: str = ""
    """Run that it follows in a chain."""
    repeats: str = ""
    """Run whose input it processes again."""
    reproduces: str = ""
    """Run whose results it makes again."""
    name: str = ""
    """Name that the request gave to its runs."""
    request: str = ""
    """Key of the request file; empty when the input was dropped."""
    request_version: str = ""
    started_at: str = ""
    stopped_at: str = ""
    log_stream: str = ""
    output: str = ""
    """``s3://`` URI of the results of a run that succeeded."""
    reason: str = ""
    """Why the run did not succeed."""
    phase: str = ""
    exit_code: int | None = None
    tries: int = 0
    """How often Batch started the job of the last attempt."""
    log_tail: tuple[str, ...] = ()
    not_started: tuple[str, ...] = ()
    """Pipelines that do not start because this run failed."""
    earlier: tuple[Mapping[str, Any], ...] = ()
    """Earlier attempts, oldest first: see `earlier_attempt`."""
    usage: Usage | None = None
    """Of all attempts that ended; None before the first end."""
    reserved: Reservation | None = None
    over_limit: str = ""
    """Month in which the group's limit had no room for the run."""
    cancel: str = ""
    """Request that cancels the run."""
    requests: tuple[str, ...] = ()
    """The last requests that changed the run: one that is repeated changes nothing."""

    @property
    def id(self) -> str:
        """Id of the item."""
        return ledger.run_key(self.group, self.run_id)

    @property
    def order(self) -> int:
        """Position of attempt and state in the run's life (see `runs.order`)."""
        return order(self.attempt, self.state)

    @property
    def request_id(self) -> str:
        """Identity of the request that asked for the run; empty when the input was dropped."""
        return request_id(self.request, self.request_version) if self.request else ""

    @property
    def used(self) -> Usage:
        """What all attempts used so far."""
        return self.usage or NOTHING

    def spec(self) -> RunSpec:
        """Return what the runtime needs, except for the objects of a folder that was pinned."""
        bucket, key = split_uri(self.input)
        return RunSpec(
            run_id=self.run_id,
            attempt=self.attempt,
            group=self.group,
            pipeline=self.pipeline,
            bucket=bucket,
            key=key,
            version_id=self.version_id,
            size=self.size,
            output=self.output_prefix,
            parameters=self.parameters,
            config=self.config,
            marker=self.marker,
            pool=self.pool,
            earlier=self.earlier,
        )

    def to_item(self) -> dict[str, Any]:
        """Return the plain values of the item, with its keys in the indexes."""
        values = _written(self)
        if values.pop("pending", True):
            values["unfinished"] = ledger.unfinished_key(self.run_id)
        if self.state is not State.REJECTED or self.parameters:
            values["parameters"] = dict(self.parameters)
        if "overrides" in values:
            values["overrides"] = self.overrides.to_dict()
        for name in ("config", "reserved"):
            if name in values:
                values[name] = values[name]._asdict()
        if self.usage is not None:
            values["usage"] = self.usage.to_dict()
        return {
            "id": self.id,
            "order": self.order,
            "day": ledger.day_key(self.group, self.created_at[:10], self.run_id),
            **values,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Run":
        """Read the plain values of an item; attributes of a later version are ignored.

        Raises:
            KeyError: an attribute is missing that every run has.
        """
        values = {name: item[name] for name in cls._fields if name in item}
        values["state"] = State(item["state"])
        values["pending"] = "unfinished" in item
        for name in ("log_tail", "not_started", "earlier", "requests"):
            if name in values:
                values[name] = tuple(values[name])
        for name, kind in _NESTED.items():
            if values.get(name) is not None:
                values[name] = kind(**values[name])
        return cls(**values)


_NESTED: Mapping[str, Any] = {"config": ObjectSpec, "overrides": Overrides, "reserved": Reservation, "usage": Usage}


def earlier_attempt(run: Run, cause: str, *, reason: str, job_id: str, tries: int) -> dict[str, Any]:
    """Return the entry of `Run.earlier` for the current attempt, which is over."""
    return {
        "attempt": run.attempt,
        "pool": run.pool,
        "cause": cause,
        "reason": reason,
        "job_id": job_id,
        "tries": tries,
    }


class Refusal(NamedTuple):
    """A submission that Batch refused, so that no repetition helps until the cause is removed."""

    reason: str
    """Batch's own words."""
    since: str
    """When it was refused first."""
    at: str
    """When it was refused last."""


class Job(NamedTuple):
    """A job of Batch for the runs of one manifest. The item exists before the job does."""

    name: str
    asked: str
    """The definition that was asked for: its name, which means the newest revision, or ``name:revision``."""
    definition: str
    """The revision that is submitted; as `asked` as long as none was found."""
    queue: str
    group: str
    pipeline: str
    size: int
    """Number of runs; an array job from 2 on."""
    manifest: str
    """``s3://`` URI."""
    lease_until: str
    """Time up to which only one invocation submits the job."""
    overrides: Overrides = Overrides()
    job_id: str = ""
    """Batch's id, once the job is known to be submitted."""
    submitted_at: str = ""
    moved: bool = False
    """Whether we canceled it to move its runs to another pool."""
    refused: Refusal | None = None
    """None once Batch has taken it."""

    @property
    def id(self) -> str:
        """Id of the item."""
        return ledger.job_key(self.name)

    @property
    def submitted(self) -> bool:
        """Whether Batch is known to have the job."""
        return bool(self.job_id)

    def to_item(self) -> dict[str, Any]:
        """Return the plain values of the item."""
        values = _written(self)
        del values["name"]
        if self.refused is not None:
            values["refused"] = self.refused._asdict()
        state = _SUBMITTED if self.submitted else _PREPARED
        return {"id": self.id, "state": state, **values, "overrides": self.overrides.to_dict()}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Job":
        """Read the plain values of an item."""
        values = {name: item[name] for name in cls._fields if name in item}
        values["name"] = item["id"].removeprefix(ledger.job_key(""))
        values["overrides"] = Overrides(**item.get("overrides", {}))
        values["refused"] = Refusal(**item["refused"]) if "refused" in item else None
        # An item of an earlier release does not say which definition was asked for: it keeps its revision.
        return cls(**{"asked": item["definition"], **values})


class MonthlyLimit(NamedTuple):
    """The rest of a group's monthly limit, in its unit."""

    group: str
    month: str
    unit: str
    limit: int
    remaining: int

    @property
    def id(self) -> str:
        """Id of the item."""
        return ledger.limit_key(self.group, self.month)

    def to_item(self) -> dict[str, Any]:
        """Return the plain values of the item."""
        values = self._asdict()
        del values["month"]
        return {"id": self.id, **values}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "MonthlyLimit":
        """Read the plain values of an item."""
        month = item["id"].rpartition("#")[2]
        return cls(item["group"], month, item["unit"], item["limit"], item["remaining"])


class Pause(NamedTuple):
    """The deployment is paused."""

    since: str
    reason: str
    by: str
    """``budget`` or the person's name."""
    stop: bool = False
    """Whether running jobs were stopped too."""

    def to_item(self) -> dict[str, Any]:
        """Return the plain values of the item."""
        return {"id": ledger.PAUSED, **self._asdict()}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Pause":
        """Read the plain values of an item."""
        return cls(item["since"], item.get("reason", ""), item.get("by", ""), item.get("stop", False))


class ExhaustedPool(NamedTuple):
    """A pool that had no capacity."""

    pool: str
    since: str
    until: str
    reason: str

    def to_item(self) -> dict[str, Any]:
        """Return the plain values of the item."""
        values = self._asdict()
        return {"id": ledger.exhausted_key(values.pop("pool")), **values}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "ExhaustedPool":
        """Read the plain values of an item."""
        pool = item["id"].removeprefix(ledger.exhausted_key(""))
        return cls(pool, item["since"], item["until"], item.get("reason", ""))


def _written(item: Any) -> dict[str, Any]:
    """The fields of an item that are not at their default."""
    defaults = item._field_defaults
    return {name: value for name, value in item._asdict().items() if name not in defaults or value != defaults[name]}
