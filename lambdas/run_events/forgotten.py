"""Jobs whose end nobody heard of until Batch forgot them, as it does about a week after their end. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dropbatch.contract.runs import FINAL_STATES, State
from lambdas.run_events.changes import JobChange, Try

__all__ = ["FORGOTTEN", "REMEMBERED", "ending_of"]

FORGOTTEN = "Batch no longer knows the job"
"""What the reason of a run begins with that is lost with its job."""


REMEMBERED = timedelta(days=6)
"""For so long Batch knows every job; one that it does not know sooner, it will know in a moment."""


def ending_of(item: Mapping[str, Any], job_id: str, *, record: Mapping[str, Any] | None, started: bool) -> JobChange:
    """How the forgotten job of a run, given as its RUN item, must have ended.

    Args:
        item: the run.
        job_id: with ``:index`` for a child.
        record: the run record, of whatever attempt.
        started: whether the job took the fence.
    """
    mine = record if record and record.get("attempt") == item["attempt"] else {}
    state = next((state for state in FINAL_STATES if state == mine.get("status")), State.FAILED)
    why = "" if mine else f"{FORGOTTEN}: it ended about a week ago, unheard of, and left no record"
    return JobChange(
        job_name=item["job_name"],
        job_id=job_id,
        index=0,
        state=State.CANCELLED if "cancel" in item and not mine else state,
        exit_code=mine.get("exit_code"),
        reason=mine.get("reason") or why,
        status_reason=why,
        started_at=mine.get("started_at") or item.get("started_at"),
        stopped_at=mine.get("stopped_at"),
        # What its container used, only Batch knew: unknown, unless there never was one.
        tries=(Try(started_ms=0, stopped_ms=None, reason=why),) if started or mine else (),
        vcpus=None,
        memory_mib=None,
        log_stream="",
        image=mine.get("image") or "",
    )
