"""What a refused request leaves for those who made it: `_rejected.json` beside the group's results."""

import json
from collections.abc import Sequence
from typing import Any

from dropbatch.contract import keys
from lambdas.arrival.requests.faults import MAX_FAULTS, Fault
from lambdas.common.messages import RequestStep

__all__ = ["Replies"]

_VERSION = 1


class Replies:
    """Writes refusals to the output bucket."""

    def __init__(self, *, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def refuse(self, step: RequestStep, faults: Sequence[Fault]) -> str:
        """Write down every fault of a request; returns the reason in one line."""
        key = keys.rejection_key(step.key)
        body = {
            "version": _VERSION,
            "request": keys.uri(step.bucket, step.key),
            "version_id": step.version_id,
            "faults": [{"place": fault.place, "fault": fault.text} for fault in faults[:MAX_FAULTS]],
            "complete": len(faults) <= MAX_FAULTS,
        }
        text = json.dumps(body, ensure_ascii=False, indent=1).encode("utf-8", "replace")
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=text, ContentType="application/json")
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        return f"{str(faults[0])[:600]}{more}: see {keys.uri(self._bucket, key)}"
