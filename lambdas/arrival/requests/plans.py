"""What a submission was found to mean, kept in parts: what was checked is what is started, asked for however often.

A part is written once. Whoever comes second takes what is there, so that a message delivered twice finds the same
objects in the same versions, and makes the same runs of them.
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
    """Where the listing of a submission's inputs goes on."""

    entry: int = 0
    """Position among the inputs."""
    after: str = ""
    """Key after which a pattern's listing goes on."""
    matched: int = 0
    """Objects that the pattern has matched so far."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some of a submission's inputs, and what is known of all so far."""

    objects: tuple[ObjectSpec, ...]
    config: ObjectSpec | None
    counts: tuple[int, ...]
    """Objects in each part up to this one."""
    faults: tuple[Fault, ...]
    next: Cursor | None
    """None in the last part."""


class Plans:
    """Parts of plans in the output bucket."""

    def __init__(self, *, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, step: RequestStep, number: int) -> Part:
        """A part that was written."""
        return _from_json(self._s3.get_object(Bucket=self._bucket, Key=_key(step, number))["Body"].read())

    def write(self, step: RequestStep, number: int, part: Part) -> Part:
        """Write a part; returns the one that counts, which is an earlier one if there is."""
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
