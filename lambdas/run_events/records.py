"""The run record of a run whose container could not write it: lost with its machine, never placed, cancelled. Pure."""

from collections.abc import Mapping
from typing import Any

from dropbatch.contract.keys import uri
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.record import FileRecord, RunRecord
from lambdas.run_events.changes import JobChange

__all__ = ["LOST", "record_for"]

LOST = "lost"
"""Phase of a run whose container did not live to say."""


def record_for(run: RunSpec, change: JobChange, job: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """Record of the attempt that a failed job ended."""
    record = RunRecord(
        status=change.state,
        run_id=run.run_id,
        attempt=run.attempt,
        group=run.group,
        pipeline=run.pipeline,
        inputs=[FileRecord(uri=uri(run.bucket, run.key), size=run.size, sha256="", version_id=run.version_id)],
        parameters=run.parameters,
        phase=LOST,
        reason=change.reason or "the job ended and left no record",
        exit_code=change.exit_code,
        started_at=change.started_at,
        stopped_at=change.stopped_at,
        job_id=change.job_id,
        job_try=len(change.tries) or None,
        image=change.image or None,
        job_definition=job.get("definition"),
        pool=item["pool"],
        earlier=item.get("earlier", ()),
        warnings=["written by the run events function: the container left no record"],
    )
    return record.to_dict()
