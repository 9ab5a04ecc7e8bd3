"""The run record of a run whose container could not write it: lost with its machine, never placed, cancelled. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from dropbatch.contract.keys import uri
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.record import FileRecord, RunRecord

__all__ = ["parse_record", "record_of"]


def record_of(run: RunSpec, item: Mapping[str, Any], *, status: str, reason: str, **known: Any) -> bytes:
    """Text of the record of a run's attempt; `item` is its RUN item, `known` is what else there is to say."""
    record = RunRecord(
        status=status,
        run_id=run.run_id,
        attempt=run.attempt,
        group=run.group,
        pipeline=run.pipeline,
        inputs=[FileRecord(uri=uri(run.bucket, run.key), size=run.size, sha256="", version_id=run.version_id)],
        parameters=run.parameters,
        reason=reason,
        pool=item["pool"],
        earlier=item.get("earlier", ()),
        warnings=["written by the functions: the container left no record"],
        **known,
    )
    return json.dumps(record.to_dict(), ensure_ascii=False, indent=1).encode()


def parse_record(text: str | bytes | None) -> dict[str, Any] | None:
    """A run record, of whatever attempt, or None: what a program put in its place is none."""
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("attempt"), int) else None
