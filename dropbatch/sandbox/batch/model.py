"""Jobs and attempts as the sandbox keeps them."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Attempt", "Job", "Status", "Template"]


class Status(StrEnum):
    """Job states, with AWS's names."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        """Return whether the state is final."""
        return self in {Status.SUCCEEDED, Status.FAILED}

    @property
    def placed(self) -> bool:
        """Return whether the job occupies a compute environment."""
        return self in {Status.STARTING, Status.RUNNING}


@dataclass(slots=True)
class Template:
    """Submitted properties of a job; the children of an array job share them."""

    definition_arn: str
    container: dict[str, Any]
    """Container properties with the overrides applied, in AWS's shape."""
    vcpus: float
    memory_mib: int
    parameters: dict[str, str] = field(default_factory=dict)
    retry: dict[str, Any] = field(default_factory=lambda: {"attempts": 1, "evaluateOnExit": []})
    timeout_seconds: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    propagate_tags: bool = False
    share_identifier: str | None = None
    scheduling_priority: int = 0
    depends_on: list[dict[str, str]] = field(default_factory=list)
    platform_capabilities: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Attempt:
    """One attempt of a job. Times are milliseconds since 1970."""

    task_arn: str
    environment_arn: str
    started_at: int | None = None
    stopped_at: int | None = None
    log_stream: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    status_reason: str = ""


@dataclass(slots=True, eq=False)
class Job:
    """A single job, the parent of an array, or one of its children."""

    id: str
    name: str
    queue_arn: str
    template: Template
    created_at: int
    index: int | None = None
    """Place in its array, of a child."""
    children: list["Job"] = field(default_factory=list)
    parent: "Job | None" = None
    status: Status = Status.SUBMITTED
    status_reason: str | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    """Tries that have ended."""
    current: Attempt | None = None
    """The try under way."""
    cancelled: bool = False
    terminated: bool = False
    summary: Counter[Status] = field(default_factory=Counter)
    """Of an array's parent: how many children are in which state."""

    @property
    def is_array(self) -> bool:
        """Return whether this is the parent of an array."""
        return bool(self.children)

    @property
    def latest(self) -> Attempt | None:
        """Return the current attempt, else the last one."""
        return self.current or (self.attempts[-1] if self.attempts else None)
