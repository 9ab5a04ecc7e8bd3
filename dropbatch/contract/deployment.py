"""The settings of a deployment that Lambda functions need: the file ``deployment.json`` in their packages.

They are in a file because environment variables of a function are limited to 4 KB. Names of AWS resources are derived
from the environment's name, so they are known before an apply.

The types are named tuples, as in most of this package: dataclasses cost each cold start milliseconds.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

__all__ = ["DEFAULT_PRIORITY", "FILE_NAME", "Deployment", "Limit", "Pipeline", "Pool", "people_path", "resource_name"]

FILE_NAME = "deployment.json"
DEFAULT_PRIORITY = 100
"""Scheduling priority of jobs whose pipeline sets none; it leaves room for lower and higher ones."""


def resource_name(environment: str, *parts: str) -> str:
    """Return the name of a resource: ``dropbatch-<environment>-<part>…``."""
    return "-".join(("dropbatch", environment, *parts))


def people_path(environment: str) -> str:
    """Return the IAM path of an environment's users and of its groups' policies, by which policies name all of them."""
    return f"/dropbatch/{environment}/"


class Pool(NamedTuple):
    """A pool of machines."""

    queue: str
    """Name of its job queue."""
    spot: bool
    """Whether its machines are Spot instances."""
    usd_per_vcpu_hour: float | None = None
    usd_per_gib_hour: float | None = None
    machines: tuple[tuple[int, int], ...] = ()
    """vCPUs and MiB that jobs can use, of each possible instance type; empty when unknown."""


class Pipeline(NamedTuple):
    """The settings of a pipeline that the functions need."""

    pools: tuple[str, ...]
    """Names of its pools, in the order of preference."""
    definitions: Mapping[str, str]
    """Job definition name by group."""
    suffixes: tuple[str, ...] = ()
    """Endings of keys that start a run; empty: every key does."""
    after: str | None = None
    """The pipeline whose finished runs start this one."""
    memory_steps: tuple[int, ...] = ()
    """Memory in MiB of further attempts after a run ran out of memory."""
    retry_failures: int = 0
    """How many more attempts a run gets when its program fails."""
    trigger: str = "file"
    """What starts a run: a ``file``, a ``folder`` that a marker object closes, or only a request (``submit``)."""
    marker: str = "_DONE"
    """Name of the marker object."""
    read_buckets: tuple[str, ...] = ()
    """Buckets besides the input bucket whose objects requests may name, each as ``bucket`` or ``bucket/prefix``."""
    vcpus: int = 1
    """Default of one try, like the next two; a request may override them."""
    memory_mib: int = 1800
    timeout_minutes: int = 60
    max_vcpus: int = 4
    """Maximum that a request may ask for, like the next two."""
    max_memory_mib: int = 8192
    max_timeout_minutes: int = 240
    priority: int = DEFAULT_PRIORITY
    """Scheduling priority of its jobs within the share of their group; jobs of higher priority run first."""


class Limit(NamedTuple):
    """The monthly limit of a group."""

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
    """Folders of other groups in the input bucket that a group may read, by group."""
    limits: Mapping[str, Limit] = {}
    """Monthly limits by group; groups without a limit are absent."""
    lease_seconds: int = 180
    """How long only the invocation that prepared a job may submit it; longer than any invocation can take."""
    reconcile_minutes: int = 5
    """Minutes between two rounds of reconcile."""
    budget_action: str = "pause"
    """What the spend guard does when the budget is spent: ``pause``, ``stop`` or ``none``."""
    auto_resume: bool = False
    """Whether a pause by the budget ends when a new month begins."""
    mail_window_minutes: int = 10
    """Files that are dropped within this time are reported in one mail."""
    contacts: tuple[str, ...] = ()
    """Groups that have contacts, who get the mails about the group's runs."""
    operators_hear: str = "others"
    """Which mails about runs operators get: ``all``, ``others`` (groups without contacts), or ``none``."""
    unmatched: str = "reject"
    """What happens to a file that no pipeline takes: ``reject`` or ``ignore``."""
    max_runs_per_request: int = 10_000
    """Maximum number of runs that one request may start."""
    instance_types: Mapping[str, tuple[int, int, int]] = {}
    """vCPUs, MiB for jobs and GPUs by EC2 instance type, for requests that name an instance type."""

    @property
    def lease(self) -> timedelta:
        """`lease_seconds` as a timedelta."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def refusal(self) -> timedelta:
        """How long a refusal by Batch is shown. Within half of this time the job is submitted again."""
        return 2 * (self.lease + timedelta(minutes=self.reconcile_minutes))

    def children(self, pipeline: str) -> tuple[str, ...]:
        """Return the pipelines that directly follow a pipeline, sorted."""
        return tuple(sorted(name for name, other in self.pipelines.items() if other.after == pipeline))

    def descendants(self, pipeline: str) -> tuple[str, ...]:
        """Return all pipelines that follow a pipeline directly or indirectly, nearest first."""
        descendants: list[str] = []
        level = self.children(pipeline)
        while level:
            descendants += level
            level = tuple(child for name in level for child in self.children(name))
        return tuple(descendants)

    def to_json(self) -> str:
        """Return the content of ``deployment.json``, sorted so that equal deployments give equal Lambda packages."""
        tables = {name: {key: each._asdict() for key, each in getattr(self, name).items()} for name in _TABLES}
        return json.dumps({**self._asdict(), **tables}, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Deployment":
        """Read the content of ``deployment.json``."""
        body: dict[str, Any] = json.loads(text)
        for name, kind in _TABLES.items():
            body[name] = {key: kind(**_frozen(each)) for key, each in body[name].items()}
        limits = {group: Limit(*limit) for group, limit in body["limits"].items()}
        return cls(**_frozen({**body, "limits": limits}))


_TABLES: Mapping[str, Any] = {"pipelines": Pipeline, "pools": Pool}


def _frozen(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, with JSON lists replaced by tuples at every level."""
    return {name: _tuples(value) for name, value in body.items()}


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return _frozen(value)
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
