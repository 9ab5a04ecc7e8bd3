"""Jobs whose end event was lost, and which Batch has deleted since (about a week after their end). Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dropbatch.contract.items import Run
from dropbatch.contract.runs import FINAL_STATES, State
from lambdas.run_events.changes import JobChange, Try

__all__ = ["EXPIRED", "REMEMBERED", "ending_of"]

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
