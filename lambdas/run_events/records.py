"""The run record of a run whose job failed without leaving one. Pure."""

from collections.abc import Mapping
from typing import Any

from dropbatch.contract.manifest import RunSpec
from lambdas.common.records import record_of
from lambdas.run_events.changes import JobChange

__all__ = ["LOST", "record_for"]

LOST = "lost"
"""Phase of a run whose container did not live to say."""


def record_for(run: RunSpec, change: JobChange, job: Mapping[str, Any], item: Mapping[str, Any]) -> bytes:
    """Text of the record of the attempt that a failed job ended."""
    return record_of(
        run,
        item,
        status=change.state,
        reason=change.reason or "the job ended and left no record",
        phase=LOST,
        exit_code=change.exit_code,
        started_at=change.started_at,
        stopped_at=change.stopped_at,
        job_id=change.job_id,
        job_try=len(change.tries) or None,
        image=change.image or None,
        job_definition=job.get("definition"),
    )
