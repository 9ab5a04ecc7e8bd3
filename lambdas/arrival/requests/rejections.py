"""`_rejected.json`: the faults of a rejected request, in the output bucket until the request is corrected."""

import json
from collections.abc import Sequence
from typing import Any

from dropbatch.contract import keys
from lambdas.arrival.requests.faults import MAX_FAULTS, Fault, FaultsError
from lambdas.arrival.requests.inputs import NamedInput
from lambdas.arrival.requests.listing import Listing
from lambdas.common.control_objects import read_object
from lambdas.common.system_messages import RequestStep

__all__ = ["Rejections"]

_VERSION = 1


class Rejections:
    """Writes and removes `_rejected.json` objects."""

    def __init__(self, *, s3: Any, bucket: str, listing: Listing) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._listing = listing

    def write(self, step: RequestStep, faults: Sequence[Fault]) -> str:
        """Write the faults of a request; return the reason in one line."""
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

    def clear(self, step: RequestStep) -> None:
        """Remove the rejection of an earlier version of a request that is now correct."""
        key = keys.rejection_key(step.key)
        text = read_object(self._s3, self._bucket, key)
        if text and json.loads(text)["version_id"] != step.version_id and self._is_newest(step):
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    def _is_newest(self, step: RequestStep) -> bool:
        """Whether the step is about the newest version of the request; events may come late."""
        try:
            newest = self._listing.one(NamedInput(place="", text=step.key, bucket=step.bucket, key=step.key))
        except FaultsError:
            return False
        return newest.version_id == step.version_id
