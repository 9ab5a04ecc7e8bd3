"""Control objects in the output bucket: manifests, fences, run records and logs."""

import json
from functools import lru_cache
from typing import Any

from dropbatch.contract import fence, keys
from dropbatch.contract.items import Job, Run
from dropbatch.contract.manifest import Manifest, RunSpec
from dropbatch.contract.record import FileRecord, RunRecord

__all__ = ["ControlObjects", "read_object"]

_TAIL_BYTES = 16_384
_TAIL_LINES = 20
_LINE = 400  # characters of a line of the log that are worth mailing
_CACHED_MANIFESTS = 16
_JSON = "application/json"

# S3 says AccessDenied of a missing object to those who may not list the bucket.
_MISSING = {"NoSuchKey", "404", "AccessDenied", "403"}
_EMPTY = "InvalidRange"


class ControlObjects:
    """The control objects of one deployment."""

    def __init__(self, s3: Any, bucket: str) -> None:
        """`bucket` is the output bucket."""
        self._s3 = s3
        self._bucket = bucket
        # A 10,000-child array is 30,000 events; its manifest is read once while the function stays warm.
        self._manifest = lru_cache(maxsize=_CACHED_MANIFESTS)(self._read_manifest)

    def runs_of(self, job: Job) -> tuple[RunSpec, ...]:
        """Return the runs that a job works on, by index of its array; a plain job has one."""
        return self._manifest(job.manifest).runs

    def write_manifest(self, job: Job, manifest: Manifest) -> None:
        """Write a job's manifest."""
        bucket, key = keys.split_uri(job.manifest)
        self._s3.put_object(Bucket=bucket, Key=key, Body=manifest.to_json().encode(), ContentType=_JSON)

    def fence_owner(self, run: Run | RunSpec) -> str | None:
        """Return the owner of the fence of a run's attempt, or None when nobody took it."""
        return fence.owner_of(self._s3, self._bucket, _fence_key(run))

    def take_fence(self, run: Run | RunSpec, owner: str) -> str:
        """Take the fence of a run's attempt unless somebody has it; return its owner.

        From then on a job of the same attempt that starts late finds the fence taken.

        Raises:
            FenceBusyError: several write it at once.
        """
        return fence.take(self._s3, self._bucket, _fence_key(run), owner)

    def record(self, output_prefix: str) -> dict[str, Any] | None:
        """Return the run record, of whatever attempt; None for none, or for what a program put in its place."""
        text = read_object(self._s3, self._bucket, keys.record_key(output_prefix))
        try:
            found = json.loads(text or b"null")
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) and isinstance(found.get("attempt"), int) else None

    def write_record(self, run: Run, *, status: str, reason: str, **known: Any) -> None:
        """Write the record of an attempt whose container could not: it was lost, never placed, or canceled.

        `known` are further fields of `RunRecord`.
        """
        spec = run.spec()
        record = RunRecord(
            status=status,
            run_id=run.run_id,
            attempt=run.attempt,
            group=run.group,
            pipeline=run.pipeline,
            inputs=[FileRecord(uri=run.input, size=run.size, sha256="", version_id=run.version_id)],
            parameters=run.parameters,
            reason=reason,
            pool=run.pool,
            earlier=run.earlier,
            warnings=["written by the functions: the container left no record"],
            **known,
        )
        body = json.dumps(record.to_dict(), ensure_ascii=False, indent=1).encode()
        self._s3.put_object(Bucket=self._bucket, Key=keys.record_key(spec.output), Body=body, ContentType=_JSON)

    def log_tail(self, run: RunSpec) -> tuple[str, ...]:
        """Return the last lines of a run's log, each cut to what is worth mailing."""
        text = read_object(self._s3, self._bucket, keys.log_key(run.output), last=_TAIL_BYTES) or b""
        return tuple(line[:_LINE] for line in text.decode("utf-8", "replace").splitlines()[-_TAIL_LINES:])

    def _read_manifest(self, uri: str) -> Manifest:
        bucket, key = keys.split_uri(uri)
        return Manifest.from_json(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def read_object(s3: Any, bucket: str, key: str, *, last: int | None = None) -> bytes | None:
    """Return the content of an object, or None when it does not exist.

    Args:
        s3: a client of S3.
        bucket: the bucket.
        key: the object's key.
        last: how many bytes of its end are read. Default: all of it.
    """
    part = {} if last is None else {"Range": f"bytes=-{last}"}
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key, **part)["Body"].read()
    except s3.exceptions.ClientError as error:
        code = fence.error_code(error)
        if code == _EMPTY:
            return b""
        if code not in _MISSING:
            raise
        return None
    return body


def _fence_key(run: Run | RunSpec) -> str:
    return keys.started_key(run.group, run.pipeline, run.run_id, run.attempt)
