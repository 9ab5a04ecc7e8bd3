"""Batch's "Job State Change" events as changes of runs. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dropbatch.contract.jobs import Ending, ExitCode
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
        KeyError: the detail lacks what every job has.
    """
    array = job.get("arrayProperties") or {}
    if "size" in array and "index" not in array:
        return None
    container = job.get("container") or {}
    status_reason = job.get("statusReason") or ""
    state = _STATES[job["status"]]
    return JobChange(
        job_name=job["jobName"],
        job_id=job["jobId"],
        index=int(array.get("index", 0)),
        state=State.CANCELLED if state is State.FAILED and status_reason == Ending.CANCELLED else state,
        exit_code=container.get("exitCode"),
        reason=container.get("reason") or status_reason,
        status_reason=status_reason,
        started_at=_time(job.get("startedAt")),
        stopped_at=_time(job.get("stoppedAt")),
        tries=tuple(_try(attempt) for attempt in job.get("attempts") or ()),
        vcpus=_resource(container, "VCPU", "vcpus"),
        memory_mib=_resource(container, "MEMORY", "memory"),
        log_stream=container.get("logStreamName") or "",
        image=container.get("image") or "",
    )


def _try(attempt: Mapping[str, Any]) -> Try:
    reason = (attempt.get("container") or {}).get("reason") or attempt.get("statusReason") or ""
    return Try(started_ms=attempt.get("startedAt"), stopped_ms=attempt.get("stoppedAt"), reason=reason)


def _resource(container: Mapping[str, Any], kind: str, older: str) -> int | None:
    """A resource of the container; jobs described in the older form name it beside the others."""
    for requirement in container.get("resourceRequirements") or ():
        if requirement["type"] == kind:
            return int(requirement["value"])
    return int(container[older]) if container.get(older) else None


def _time(milliseconds: int | None) -> str | None:
    return timestamp(datetime.fromtimestamp(milliseconds / 1000, UTC)) if milliseconds else None
