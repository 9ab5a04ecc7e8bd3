"""Read Batch's job events: changes of jobs, blocked queues, and jobs that expired before an event arrived. Pure.

Events: https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html and
https://docs.aws.amazon.com/batch/latest/userguide/batch-job-queue-blocked-events.html
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dropbatch.contract.endings import Ending, ExitCode
from dropbatch.contract.items import Run
from dropbatch.contract.ledger import timestamp
from dropbatch.contract.runs import FINAL_STATES, State

__all__ = [
    "BLOCKED",
    "EXPIRED",
    "REMEMBERED",
    "BlockedQueue",
    "JobChange",
    "Try",
    "blocked_queues",
    "change_of",
    "ending_of",
]

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


log = logging.getLogger("dropbatch")

BLOCKED = "Batch Job Queue Blocked"


@dataclass(frozen=True, kw_only=True)
class BlockedQueue:
    """A job queue whose first job cannot be placed."""

    queue: str
    """Name of the queue."""
    job_id: str
    """Id of its first job."""
    reason: str


def blocked_queues(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, BlockedQueue]]:
    """Yield the blocked queues that messages of the job event queue report, each with the message id."""
    for record in records:
        try:
            if BLOCKED not in record["body"]:  # most messages are state changes, which are parsed elsewhere
                continue
            event = json.loads(record["body"])
            if event["detail-type"] == BLOCKED:
                job = event["detail"]
                queue = str(job["jobQueue"]).rpartition("/")[2]
                reason = str(job.get("statusReason") or "")
                yield record["messageId"], BlockedQueue(queue=queue, job_id=str(job["jobId"]), reason=reason)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.error("unreadable job event %s dropped: %r", record["messageId"], error)


EXPIRED = "Batch no longer knows the job"
"""Start of the reason of a run whose job has expired without a record."""


REMEMBERED = timedelta(days=6)
"""Batch keeps every ended job at least this long. A younger job that it does not know is not visible yet."""


def ending_of(run: Run, job_id: str, *, record: Mapping[str, Any] | None, started: bool) -> JobChange:
    """Infer how the expired job of a run ended.

    Args:
        run: the run.
        job_id: id of the job, with ``:index`` for a child.
        record: the run's record, which may be that of an earlier attempt.
        started: whether the job took the fence.
    """
    own = record if record and record.get("attempt") == run.attempt else {}
    state = next((state for state in FINAL_STATES if state == own.get("status")), State.FAILED)
    why = "" if own else f"{EXPIRED}: it ended about a week ago without an event, and left no record"
    return JobChange(
        job_name=run.job_name,
        job_id=job_id,
        index=0,
        state=State.CANCELLED if run.cancel and not own else state,
        exit_code=own.get("exit_code"),
        reason=own.get("reason") or why,
        status_reason=why,
        started_at=own.get("started_at") or run.started_at or None,
        stopped_at=own.get("stopped_at"),
        # The usage of a container that started is unknown: only Batch had it.
        tries=(Try(started_ms=0, stopped_ms=None, reason=why),) if started or own else (),
        vcpus=None,
        memory_mib=None,
        log_stream="",
        image=own.get("image") or "",
    )
