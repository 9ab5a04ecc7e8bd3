"""Batch's "Job State Change" events as changes of runs. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dropbatch.contract.jobs import ExitCode
from dropbatch.contract.ledger import timestamp
from dropbatch.contract.runs import State

__all__ = ["JobChange", "change_of"]

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
    started_at: str | None
    stopped_at: str | None

    @property
    def superseded(self) -> bool:
        """Whether the job found the fence taken by another: it says nothing about the run."""
        return self.state is State.FAILED and self.exit_code == ExitCode.SUPERSEDED


def change_of(job: Mapping[str, Any]) -> JobChange | None:
    """The change that a job's detail describes, as in an event or from DescribeJobs; None for an array's parent.

    Raises:
        KeyError: the detail lacks what every job has.
    """
    array = job.get("arrayProperties") or {}
    if "size" in array and "index" not in array:
        return None
    container = job.get("container") or {}
    return JobChange(
        job_name=job["jobName"],
        job_id=job["jobId"],
        index=int(array.get("index", 0)),
        state=_STATES[job["status"]],
        exit_code=container.get("exitCode"),
        reason=container.get("reason") or job.get("statusReason") or "",
        started_at=_time(job.get("startedAt")),
        stopped_at=_time(job.get("stoppedAt")),
    )


def _time(milliseconds: int | None) -> str | None:
    return timestamp(datetime.fromtimestamp(milliseconds / 1000, UTC)) if milliseconds else None
