"""Jobs whose end was not heard of before Batch forgot them, about a week after their end. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dropbatch.contract.items import Run
from dropbatch.contract.runs import FINAL_STATES, State
from lambdas.run_events.changes import JobChange, Try

__all__ = ["EXPIRED", "REMEMBERED", "ending_of"]

EXPIRED = "Batch no longer knows the job"
"""Begins the reason of a run that is lost with its job."""


REMEMBERED = timedelta(days=6)
"""Batch knows every ended job for at least this long. An unknown job that is younger is not visible yet."""


def ending_of(run: Run, job_id: str, *, record: Mapping[str, Any] | None, started: bool) -> JobChange:
    """Return how the expired job of a run must have ended.

    Args:
        run: the run.
        job_id: with ``:index`` for a child.
        record: the run record, of whatever attempt.
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
        # Only Batch knew what its container used: it is unknown, unless there never was one.
        tries=(Try(started_ms=0, stopped_ms=None, reason=why),) if started or own else (),
        vcpus=None,
        memory_mib=None,
        log_stream="",
        image=own.get("image") or "",
    )
