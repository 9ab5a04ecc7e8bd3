"""Plans of submissions, stored in parts: the objects that were listed and checked, from which the runs are made.

Each part is written once. A repeated message reads the stored part instead of listing again, so it finds the same
object versions and makes the same runs.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from dropbatch.contract import keys
from dropbatch.contract.manifest import ObjectSpec
from dropbatch.contract.runs import request_id
from lambdas.arrival.requests.faults import Fault
from lambdas.common.system_messages import RequestStep

__all__ = ["Cursor", "Part", "Plans"]


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Where the next part continues the listing of a submission's inputs."""

    entry: int = 0
    """Position among the inputs."""
    after: str = ""
    """Key after which the listing of a pattern continues."""
    matched: int = 0
    """Objects that the pattern has matched so far."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a plan."""

    objects: tuple[ObjectSpec, ...]
    """Inputs of this part."""
    config: ObjectSpec | None
    counts: tuple[int, ...]
    """Number of objects in each part up to this one."""
    faults: tuple[Fault, ...]
    """Faults of all parts up to this one."""
    next: Cursor | None
    """Start of the next part; None in the last part."""


class Plans:
    """Stores parts of plans in the output bucket."""

    def __init__(self, *, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, step: RequestStep, number: int) -> Part:
        """Read a stored part."""
        return _from_json(self._s3.get_object(Bucket=self._bucket, Key=_key(step, number))["Body"].read())

    def write(self, step: RequestStep, number: int, part: Part) -> Part:
        """Write a part unless it exists; return the stored one."""
        body = json.dumps(_to_dict(part), ensure_ascii=False, separators=(",", ":")).encode()
        try:
            self._s3.put_object(Bucket=self._bucket, Key=_key(step, number), Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in {"PreconditionFailed", "412"}:
                raise
            return self.read(step, number)
        return part


def _key(step: RequestStep, number: int) -> str:
    digest = hashlib.sha256(request_id(step.key, step.version_id).encode()).hexdigest()[:20]
    return keys.request_part_key(step.group, digest, number)


def _to_dict(part: Part) -> dict[str, Any]:
    config = part.config._asdict() if part.config else None
    return {**asdict(part), "objects": [each._asdict() for each in part.objects], "config": config}


def _from_json(text: bytes) -> Part:
    body = json.loads(text)
    return Part(
        objects=tuple(ObjectSpec(**each) for each in body["objects"]),
        config=ObjectSpec(**body["config"]) if body["config"] else None,
        counts=tuple(body["counts"]),
        faults=tuple(Fault(**each) for each in body["faults"]),
        next=Cursor(**body["next"]) if body["next"] else None,
    )
