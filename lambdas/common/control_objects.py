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
_LINE = 400  # maximum length of a log line in a mail, in characters
_CACHED_MANIFESTS = 16
_JSON = "application/json"

# Without the permission to list a bucket, S3 answers AccessDenied for missing objects.
_MISSING = {"NoSuchKey", "404", "AccessDenied", "403"}
_EMPTY = "InvalidRange"


class ControlObjects:
    """The control objects of one deployment."""

    def __init__(self, s3: Any, bucket: str) -> None:
        """`bucket` is the output bucket."""
        self._s3 = s3
        self._bucket = bucket
        # An array job of 10,000 children causes 30,000 events; a warm function reads its manifest only once.
        self._manifest = lru_cache(maxsize=_CACHED_MANIFESTS)(self._read_manifest)

    def runs_of(self, job: Job) -> tuple[RunSpec, ...]:
        """Return the runs of a job, by array index; a plain job has one."""
        return self._manifest(job.manifest).runs

    def write_manifest(self, job: Job, manifest: Manifest) -> None:
        """Write a job's manifest."""
        bucket, key = keys.split_uri(job.manifest)
        self._s3.put_object(Bucket=bucket, Key=key, Body=manifest.to_json().encode(), ContentType=_JSON)

    def fence_owner(self, run: Run | RunSpec) -> str | None:
        """Return the owner of the fence of a run's attempt, or None when it is free."""
        return fence.owner_of(self._s3, self._bucket, _fence_key(run))

    def take_fence(self, run: Run | RunSpec, owner: str) -> str:
        """Take the fence of a run's attempt if it is free; return its owner.

        A job of this attempt that starts later finds the fence taken and stops.

        Raises:
            FenceBusyError: several parties are writing the fence at the same time.
        """
        return fence.take(self._s3, self._bucket, _fence_key(run), owner)

    def record(self, output_prefix: str) -> dict[str, Any] | None:
        """Return the run record, which may be that of an earlier attempt; None if there is no valid one."""
        text = read_object(self._s3, self._bucket, keys.record_key(output_prefix))
        try:
            record = json.loads(text or b"null")
        except (ValueError, RecursionError):
            return None
        return record if isinstance(record, dict) and isinstance(record.get("attempt"), int) else None

    def write_record(self, run: Run, *, status: str, reason: str, **known: Any) -> None:
        """Write the record of an attempt whose container wrote none: it was lost, never placed, or canceled.

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
        """Return the last lines of a run's log, shortened for mails."""
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
        last: number of bytes to read from the end. Default: the whole object.
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
