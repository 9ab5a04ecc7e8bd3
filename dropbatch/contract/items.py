"""Items of the ledger as frozen types, and their conversion to and from DynamoDB items.

| type             | id                                  | purpose                                              |
| ---------------- | ----------------------------------- | ---------------------------------------------------- |
| `Run`            | ``<group>#<run_id>``                | one input processed by one pipeline                  |
| `Job`            | ``job#<job_name>``                  | a Batch job that processes one or more runs          |
| `MonthlyLimit`   | ``<group>#month#<yyyy-mm>``         | the remaining amount of a group's monthly limit      |
| `Pause`          | ``flag#paused``                     | no job is submitted while this item exists           |
| `ExhaustedPool`  | ``flag#dry#<pool>``                 | a pool without capacity, which runs skip for a time  |

Mail windows and limit notices are in `dropbatch.contract.mail_items`. Usage by month
(``<group>#month#<yyyy-mm>#<shard>``) is a set of counters: `dropbatch.contract.usage`.

Fields that have their default value are not written, to save storage. The types are named tuples because Python creates
these classes in a third of the time of dataclasses, which shortens cold starts.
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
    """The part of a group's monthly limit that is reserved for a run until it ends."""

    month: str
    """``yyyy-mm``, the month in which the run was claimed or retried; it does not change when a new month begins."""
    unit: str
    """``vcpu_ms`` or ``micro_usd``."""
    amount: int
    """In this unit."""


class Run(NamedTuple):
    """A run. Times are `timestamp`s; an unknown text is empty."""

    group: str
    run_id: str
    pipeline: str
    state: State
    attempt: int
    """Number of the current submission, from 1; 0 for a run that was rejected."""
    input: str
    """``s3://`` URI of a file, or of a folder (ending in ``/``)."""
    version_id: str
    """Version of the file, or of the marker object that closed the folder."""
    size: int
    """Bytes; 0 for a folder."""
    created_at: str
    updated_at: str
    pending: bool = True
    """Whether the run has not ended, or its final state has not been published yet."""
    output_prefix: str = ""
    """Key prefix of the results in the output bucket; empty for a file that was rejected."""
    parameters: Mapping[str, str] = {}
    config: ObjectSpec | None = None
    marker: str = ""
    """Key of the marker object that closed the folder."""
    pool: str = ""
    job_name: str = ""
    """Name of the run's job; while the run waits for a job, a name without a JOB item."""
    job_id: str = ""
    """Batch's id, with ``:index`` for a child of an array job."""
    overrides: Overrides = Overrides()
    definition: str = ""
    """``name:revision`` of the job definition, for a run that reproduces another run; else empty."""
    parent: str = ""
    """Id of the run that this run follows in a chain of pipelines."""
    repeats: str = ""
    """Id of the run whose input this run processes again."""
    reproduces: str = ""
    """Id of the run whose results this run reproduces."""
    name: str = ""
    """Label that the request gave to its runs."""
    request: str = ""
    """Key of the request file; empty for a dropped input."""
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
    """Total of all ended attempts; None before the first attempt ended."""
    reserved: Reservation | None = None
    over_limit: str = ""
    """``yyyy-mm``, when the group's limit for this month rejected the run."""
    cancel: str = ""
    """Identity of the request that cancels the run."""
    requests: tuple[str, ...] = ()
    """Identities of the last requests that changed the run. A request that is delivered again changes nothing."""

    @property
    def id(self) -> str:
        """Id of the item."""
        return ledger.run_key(self.group, self.run_id)

    @property
    def order(self) -> int:
        """Sort key of attempt and state (see `runs.order`)."""
        return order(self.attempt, self.state)

    @property
    def request_id(self) -> str:
        """Identity of the request that created the run; empty for a dropped input."""
        return request_id(self.request, self.request_version) if self.request else ""

    @property
    def used(self) -> Usage:
        """Usage of all attempts so far."""
        return self.usage or NOTHING

    def spec(self) -> RunSpec:
        """Return the run for a manifest, without the pinned objects of a folder."""
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
        """Return the plain values of the item, including its index keys."""
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
        """Return the run of an item's plain values; unknown attributes are ignored.

        Raises:
            KeyError: a required attribute is missing.
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
    """Return the entry of `Run.earlier` for the current attempt, which has ended."""
    return {
        "attempt": run.attempt,
        "pool": run.pool,
        "cause": cause,
        "reason": reason,
        "job_id": job_id,
        "tries": tries,
    }


class Refusal(NamedTuple):
    """Why and when Batch refused to accept a job. Submitting it again fails until the cause is removed."""

    reason: str
    """The error message."""
    since: str
    """Time of the first refusal."""
    at: str
    """Time of the latest refusal."""


class Job(NamedTuple):
    """A Batch job for the runs of one manifest. The item is written before the job is submitted."""

    name: str
    asked: str
    """The requested job definition: ``name:revision``, or a name alone for its newest revision."""
    definition: str
    """The submitted ``name:revision``; equals `asked` until the revision is known."""
    queue: str
    group: str
    pipeline: str
    size: int
    """Number of runs; 2 or more make an array job."""
    manifest: str
    """``s3://`` URI."""
    lease_until: str
    """Time until which only the invocation that holds the lease may submit the job."""
    overrides: Overrides = Overrides()
    job_id: str = ""
    """Batch's id; empty until the job is known to be submitted."""
    submitted_at: str = ""
    moved: bool = False
    """Whether the job was canceled to move its runs to another pool."""
    refused: Refusal | None = None
    """The refusal by Batch, if any; removed when Batch accepts the job."""

    @property
    def id(self) -> str:
        """Id of the item."""
        return ledger.job_key(self.name)

    @property
    def submitted(self) -> bool:
        """Whether the job is known to be submitted."""
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
        # Items of an earlier release have no `asked`: their job keeps the revision in `definition`.
        return cls(**{"asked": item["definition"], **values})


class MonthlyLimit(NamedTuple):
    """The remaining amount of a group's limit in one month. `limit` and `remaining` are in `unit`."""

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
    """The flag that pauses the deployment."""

    since: str
    reason: str
    by: str
    """``budget`` or ``operator``."""
    stop: bool = False
    """Whether running jobs were stopped as well."""

    def to_item(self) -> dict[str, Any]:
        """Return the plain values of the item."""
        return {"id": ledger.PAUSED, **self._asdict()}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Pause":
        """Read the plain values of an item."""
        return cls(item["since"], item.get("reason", ""), item.get("by", ""), item.get("stop", False))


class ExhaustedPool(NamedTuple):
    """A pool that Batch could not start machines for, from `since`. Runs skip it until `until`."""

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
    """The fields of an item that differ from their defaults."""
    defaults = item._field_defaults
    return {name: value for name, value in item._asdict().items() if name not in defaults or value != defaults[name]}
