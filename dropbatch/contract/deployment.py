"""What a Lambda function knows of its deployment: ``deployment.json`` beside its code.

It is a file because environment variables end at 4 KB. Names of AWS resources follow from the environment's name, so
nothing here waits for an apply.

Named tuples, as in most of the contract: dataclasses cost each cold start milliseconds.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

__all__ = ["DEFAULT_PRIORITY", "FILE_NAME", "Deployment", "Limit", "Pipeline", "Pool", "people_path", "resource_name"]

FILE_NAME = "deployment.json"
DEFAULT_PRIORITY = 100
"""Scheduling priority of jobs whose pipeline sets none: some may be put below it as well as above."""


def resource_name(environment: str, *parts: str) -> str:
    """``dropbatch-<environment>-<part>…``, the name of a resource."""
    return "-".join(("dropbatch", environment, *parts))


def people_path(environment: str) -> str:
    """Path of an environment's IAM users and of its groups' policies: a right on all of them needs no list."""
    return f"/dropbatch/{environment}/"


class Pool(NamedTuple):
    """A pool of machines: its job queue's name and whether it is made of spot instances."""

    queue: str
    spot: bool
    usd_per_vcpu_hour: float | None = None
    usd_per_gib_hour: float | None = None
    machines: tuple[tuple[int, int], ...] = ()
    """vCPUs, and MiB that jobs may ask for, of the machines it may be made of; empty when that is not known."""


class Pipeline(NamedTuple):
    """A pipeline as the arrival function needs it."""

    pools: tuple[str, ...]
    """Names of pools in the order in which they are tried."""
    definitions: Mapping[str, str]
    """Job definition name by group."""
    suffixes: tuple[str, ...] = ()
    """Endings of keys that start a run; empty: every key does."""
    after: str | None = None
    """The pipeline whose finished runs start this one."""
    memory_steps: tuple[int, ...] = ()
    """MiB of further attempts of runs that ran out of memory."""
    retry_failures: int = 0
    """How often a run whose program failed is tried again."""
    trigger: str = "file"
    """What starts a run: a ``file``, a ``folder`` closed by its marker, or requests only (``submit``)."""
    marker: str = "_DONE"
    """Name of the object that closes a folder."""
    read_buckets: tuple[str, ...] = ()
    """Buckets beside the input bucket whose objects requests may name."""
    vcpus: int = 1
    memory_mib: int = 1800
    timeout_minutes: int = 60
    """Of one try, unless a request asks for more; so with the two before."""
    max_vcpus: int = 4
    """The most that a request may ask for; so with the other two."""
    max_memory_mib: int = 8192
    max_timeout_minutes: int = 240
    priority: int = DEFAULT_PRIORITY
    """Scheduling priority of its jobs within their group's share: higher ones run first."""


class Limit(NamedTuple):
    """What a group may use in a month."""

    unit: str
    """``vcpu_ms`` or ``micro_usd`` (`contract.limits`)."""
    amount: int


class Deployment(NamedTuple):
    """One environment's groups, pipelines and pools."""

    environment: str
    region: str
    groups: tuple[str, ...]
    pipelines: Mapping[str, Pipeline]
    pools: Mapping[str, Pool]
    read_prefixes: Mapping[str, tuple[str, ...]] = {}
    """Folders of the input bucket outside its own that a group may read, by group."""
    limits: Mapping[str, Limit] = {}
    """What groups may use in a month, of those that have a limit."""
    lease_seconds: int = 180
    """How long a job name belongs to the invocation that made it. Longer than any invocation may last."""
    reconcile_minutes: int = 5
    """Minutes between two rounds of reconcile."""
    budget_action: str = "pause"
    """What the spend guard does when the budget is spent: ``pause``, ``stop`` or ``none``."""
    auto_resume: bool = False
    """Whether a pause by the budget ends with the month."""
    mail_window_minutes: int = 10
    """Minutes of drops that one mail tells of."""
    contacts: tuple[str, ...] = ()
    """Groups whose mails go to people of their own."""
    operators_hear: str = "others"
    """Which mails about runs go to the operators: ``all``, those of groups without contacts, or ``none``."""
    unmatched: str = "reject"
    """What becomes of a file that nothing is set up for: ``reject``, with a reason, or ``ignore``."""
    max_runs_per_request: int = 10_000
    """The most runs that one request may start."""
    instance_types: Mapping[str, tuple[int, int, int]] = {}
    """vCPUs, MiB for jobs and GPUs of EC2's machines, for requests that ask for one by its type."""

    @property
    def lease(self) -> timedelta:
        """`lease_seconds` as a span of time."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def refusal(self) -> timedelta:
        """How long a refused submission counts as refused. A repetition, which renews it, comes within half of that."""
        return 2 * (self.lease + timedelta(minutes=self.reconcile_minutes))

    def children(self, pipeline: str) -> tuple[str, ...]:
        """Pipelines that run after a pipeline, by name."""
        return tuple(sorted(name for name, other in self.pipelines.items() if other.after == pipeline))

    def descendants(self, pipeline: str) -> tuple[str, ...]:
        """All pipelines further down the chains, nearest first."""
        found: list[str] = []
        near = self.children(pipeline)
        while near:
            found += near
            near = tuple(below for name in near for below in self.children(name))
        return tuple(found)

    def to_json(self) -> str:
        """Text of ``deployment.json``: sorted, so that equal deployments give equal Lambda packages."""
        tables = {name: {key: each._asdict() for key, each in getattr(self, name).items()} for name in _TABLES}
        return json.dumps({**self._asdict(), **tables}, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Deployment":
        """Read ``deployment.json``."""
        body: dict[str, Any] = json.loads(text)
        for name, kind in _TABLES.items():
            body[name] = {key: kind(**_frozen(each)) for key, each in body[name].items()}
        limits = {group: Limit(*limit) for group, limit in body["limits"].items()}
        return cls(**_frozen({**body, "limits": limits}))


_TABLES: Mapping[str, Any] = {"pipelines": Pipeline, "pools": Pool}


def _frozen(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with tuples where JSON has lists, in tables too."""
    return {name: _tuples(value) for name, value in body.items()}


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return _frozen(value)
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
