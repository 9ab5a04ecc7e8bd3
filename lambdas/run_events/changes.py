"""Convert Batch's "Job State Change" events to changes of runs. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dropbatch.contract.endings import Ending, ExitCode
from dropbatch.contract.ledger import timestamp
from dropbatch.contract.runs import State

__all__ = ["JobChange", "Try", "change_of"]

_STATES = {
    "SUBMITTED": State.SUBMITTED,
    "PENDING": State.SUBMITTED,
    "RUNNABLE": State.SUBMITTED,
    "STARTING": State.SUBMITTED,
    "RUNNING": State.RUNNING,
    "SUCCEEDED": State.SUCCEEDED,
    "FAILED": State.FAILED,
}


_YEAR_5000 = 95_617_584_000_000  # in milliseconds


@dataclass(frozen=True, kw_only=True)
class Try:
    """One execution of a job's container, as Batch reports it. Times are Unix milliseconds."""

    started_ms: int | None
    stopped_ms: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class JobChange:
    """State of a plain job or of one child of an array job, as Batch reports it."""

    job_name: str
    job_id: str
    """With ``:index`` for a child."""
    index: int
    """Position of the run in the job's manifest; 0 for a plain job."""
    state: State
    exit_code: int | None
    reason: str
    """The container's reason; the job's status reason if the container has none."""
    status_reason: str
    """The job's status reason."""
    started_at: str | None
    stopped_at: str | None
    tries: tuple[Try, ...]
    vcpus: int | None
    memory_mib: int | None
    log_stream: str
    image: str

    @property
    def superseded(self) -> bool:
        """Whether the job ended because another job has the fence: such a change does not affect the run."""
        return self.state is State.FAILED and self.exit_code == ExitCode.SUPERSEDED

    @property
    def placed(self) -> bool:
        """Whether the job was ever placed on a machine."""
        return bool(self.tries) or self.started_at is not None


def change_of(job: Mapping[str, Any]) -> JobChange | None:
    """Return the change that a job's detail (from an event or DescribeJobs) describes; None for the parent of an array.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the detail lacks a required field, or one has a wrong type.
    """
    array = job.get("arrayProperties") or {}
    if "size" in array and "index" not in array:
        return None
    container = job.get("container") or {}
    status_reason = _text(job.get("statusReason"))
    state = _STATES[job["status"]]
    return JobChange(
        job_name=_text(job["jobName"]),
        job_id=_text(job["jobId"]),
        index=_number(array.get("index")) or 0,
        state=State.CANCELLED if state is State.FAILED and status_reason == Ending.CANCELLED else state,
        exit_code=_number(container.get("exitCode")),
        reason=_text(container.get("reason")) or status_reason,
        status_reason=status_reason,
        started_at=_time(job.get("startedAt")),
        stopped_at=_time(job.get("stoppedAt")),
        tries=tuple(_try(attempt) for attempt in job.get("attempts") or ()),
        vcpus=_resource(container, "VCPU", "vcpus"),
        memory_mib=_resource(container, "MEMORY", "memory"),
        log_stream=_text(container.get("logStreamName")),
        image=_text(container.get("image")),
    )


def _try(attempt: Mapping[str, Any]) -> Try:
    reason = _text((attempt.get("container") or {}).get("reason") or attempt.get("statusReason"))
    return Try(
        started_ms=_number(attempt.get("startedAt")), stopped_ms=_number(attempt.get("stoppedAt")), reason=reason
    )


def _resource(container: Mapping[str, Any], kind: str, older: str) -> int | None:
    """A resource of the container, from `resourceRequirements`, or from the field `older` of an older format."""
    for requirement in container.get("resourceRequirements") or ():
        if requirement["type"] == kind:
            return _number(int(requirement["value"]))
    return _number(container.get(older)) or None


def _time(value: object) -> str | None:
    milliseconds = _number(value)
    return timestamp(datetime.fromtimestamp(milliseconds / 1000, UTC)) if milliseconds else None


def _text(value: object) -> str:
    """Check that the value is a text; None becomes an empty text."""
    if not isinstance(value, str | None):
        raise TypeError(f"must be text, got {value!r}")
    (value or "").encode()  # raises an error for a lone surrogate, which the ledger cannot store
    return value or ""


def _number(value: object) -> int | None:
    """Check that the value is a whole number or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"must be a whole number, got {value!r}")
    if not 0 <= value < _YEAR_5000:
        raise ValueError(f"must be from 0 to the year 5000 in milliseconds, got {value}")
    return value
