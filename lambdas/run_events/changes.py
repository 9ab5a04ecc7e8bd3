"""Batch's "Job State Change" events as changes of runs. Pure."""

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
    """One start of a job's container, by Batch's own account. Times are Unix milliseconds."""

    started_ms: int | None
    stopped_ms: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class JobChange:
    """What Batch says of one plain job or of one child of an array job."""

    job_name: str
    job_id: str
    """With ``:index`` for a child."""
    index: int
    """Position of the run in the job's manifest; 0 for a plain job."""
    state: State
    exit_code: int | None
    reason: str
    """What the container says of its end, or else Batch."""
    status_reason: str
    """What Batch says of the state."""
    started_at: str | None
    stopped_at: str | None
    tries: tuple[Try, ...]
    vcpus: int | None
    memory_mib: int | None
    log_stream: str
    image: str

    @property
    def superseded(self) -> bool:
        """Whether the job found the fence taken by another: it says nothing about the run."""
        return self.state is State.FAILED and self.exit_code == ExitCode.SUPERSEDED

    @property
    def placed(self) -> bool:
        """Whether the job ever got a machine."""
        return bool(self.tries) or self.started_at is not None


def change_of(job: Mapping[str, Any]) -> JobChange | None:
    """The change that a job's detail describes, as in an event or from DescribeJobs; None for an array's parent.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the detail lacks what every job has, or has it in another form.
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
    """A resource of the container; jobs described in the older form name it beside the others."""
    for requirement in container.get("resourceRequirements") or ():
        if requirement["type"] == kind:
            return _number(int(requirement["value"]))
    return _number(container.get(older)) or None


def _time(value: object) -> str | None:
    milliseconds = _number(value)
    return timestamp(datetime.fromtimestamp(milliseconds / 1000, UTC)) if milliseconds else None


def _text(value: object) -> str:
    """The text, empty for none."""
    if not isinstance(value, str | None):
        raise TypeError(f"text is needed, got {value!r}")
    (value or "").encode()  # the ledger holds no lone surrogates
    return value or ""


def _number(value: object) -> int | None:
    """The whole number, none for none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number is needed, got {value!r}")
    if not 0 <= value < _YEAR_5000:
        raise ValueError(f"a number that is neither negative nor beyond all times is needed, got {value}")
    return value
