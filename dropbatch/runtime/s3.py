"""The run's data in S3: one client for everything, boto3's own transfer manager for what is large or many."""

# ruff: noqa: PLC0415 – boto3 is imported inside functions, so that a run without S3 does not wait for it

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dropbatch.contract import keys
from dropbatch.contract.deployment import resource_name
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.record import FileRecord, RunRecord
from dropbatch.runtime import names
from dropbatch.runtime.errors import RefusedError, StageInError, StageOutError, SupersededError
from dropbatch.runtime.files import sha256
from dropbatch.runtime.s3_errors import error_code, explain, failures

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["S3Store", "make_client", "read_manifest"]

_CONCURRENCY = 10
_FREE_MARGIN_BYTES = 64 * 1024 * 1024
_FENCE_TRIES = 5


def make_client(env: Mapping[str, str]) -> "S3Client":
    """An S3 client with patience: a job may have run for hours before it uploads."""
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "max_attempts": 6},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=_CONCURRENCY + 2,
    )
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    return boto3.client("s3", region_name=region, config=config)


def read_manifest(client: "S3Client", uri: str) -> bytes:
    """Text of the manifest.

    Raises:
        RefusedError: the URI makes no sense.
        StageInError: the object cannot be read.
    """
    try:
        bucket, key = keys.split_uri(uri)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    try:
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except failures() as error:
        raise StageInError(explain("the job role", "read", uri, error)) from error


class S3Store:
    """A run whose input and output are in S3."""

    def __init__(
        self, client: "S3Client", spec: RunSpec, *, output_bucket: str, job_id: str, environment: str = ""
    ) -> None:
        self._client = client
        self._spec = spec
        self._bucket = output_bucket
        self._job_id = job_id
        self._role = f"the job role {resource_name(environment, spec.pipeline, spec.group)}"
        self.input_uri = keys.uri(spec.bucket, spec.key)
        self.output_uri = keys.uri(output_bucket, spec.output)

    def claim(self) -> None:
        """Create the fence, or find that it is ours from an earlier try."""
        spec = self._spec
        key = keys.started_key(spec.group, spec.pipeline, spec.run_id, spec.attempt)
        uri = keys.uri(self._bucket, key)
        try:
            for _ in range(_FENCE_TRIES):
                try:
                    self._client.put_object(Bucket=self._bucket, Key=key, Body=self._job_id.encode(), IfNoneMatch="*")
                    return
                except self._client.exceptions.ClientError as error:
                    # 409: another conditional write was under way; S3 asks for a new try.
                    if error_code(error) == "ConditionalRequestConflict":
                        continue
                    if error_code(error) not in {"PreconditionFailed", "412"}:
                        raise
                holder = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read().decode("utf-8", "replace")
                if holder == self._job_id:
                    return  # a further try of this job, or an answer that was lost on the way
                raise SupersededError(
                    f"attempt {spec.attempt} of {spec.run_id} is run by job {holder}, this is job {self._job_id}: "
                    "nothing to do"
                )
        except failures() as error:
            raise RefusedError(explain(self._role, "write", uri, error)) from error
        raise RefusedError(f"{uri} is being written by several jobs at once: retry the run")

    def discard_record(self) -> None:
        """Delete an earlier ``_run.json``."""
        key = keys.record_key(self._spec.output)
        self._write(RefusedError, key, lambda: self._client.delete_object(Bucket=self._bucket, Key=key))

    def expected_inputs(self) -> list[FileRecord]:
        """The one input, from the manifest."""
        spec = self._spec
        return [FileRecord(uri=self.input_uri, size=spec.size, sha256="", version_id=spec.version_id)]

    def stage_in(self, directory: Path) -> tuple[Path, list[FileRecord], list[str]]:
        """Download the exact version into ``<directory>/0/<file name>``."""
        spec = self._spec
        _check_room(directory, spec.size)
        (directory / "0").mkdir()
        name = names.file_name(spec.key)
        wanted = spec.key.rpartition("/")[2]
        warnings = [f"the input's name cannot be a file's name here, the program saw {name}"] if name != wanted else []
        path = directory / "0" / name
        with path.open("wb") as file:
            sink = _HashingSink(file)
            self._download(sink)
        if sink.size != spec.size:
            raise StageInError(
                f"{self.input_uri} has {sink.size} bytes, the arrival said {spec.size}: upload the file again"
            )
        record = FileRecord(uri=self.input_uri, size=sink.size, sha256=sink.sha256, version_id=spec.version_id)
        return path, [record], warnings

    def publish(self, results: Sequence[Path], root: Path) -> list[FileRecord]:
        """Upload in parallel; every key is checked before the first byte leaves."""
        wanted = [(path, names.output_key(self._spec.output, path.relative_to(root))) for path in results]
        outputs = [
            FileRecord(uri=keys.uri(self._bucket, key), size=path.stat().st_size, sha256=sha256(path))
            for path, key in wanted
        ]
        try:
            with _manager(self._client) as manager:
                futures = [(key, manager.upload(str(path), self._bucket, key)) for path, key in wanted]
                for key, future in futures:
                    self._write(StageOutError, key, future.result)
        except BaseException:
            self.withdraw(outputs)
            raise
        return outputs

    def withdraw(self, outputs: Sequence[FileRecord]) -> None:
        """Delete, as far as possible: the fault that led here is the one to report."""
        for record in outputs:
            bucket, key = keys.split_uri(record.uri)
            try:
                self._client.delete_object(Bucket=bucket, Key=key)
            except failures():
                return

    def write_log(self, log: Path) -> None:
        """Upload ``_log.txt``."""
        key = keys.log_key(self._spec.output)
        extra = {"ContentType": "text/plain; charset=utf-8"}

        def upload() -> None:
            with _manager(self._client) as manager:
                manager.upload(str(log), self._bucket, key, extra_args=extra).result()

        self._write(StageOutError, key, upload)

    def write_record(self, record: RunRecord) -> None:
        """Upload ``_run.json``."""
        key = keys.record_key(self._spec.output)
        body = json.dumps(record.to_dict(), ensure_ascii=False, indent=2).encode("utf-8", "replace")
        self._write(
            StageOutError,
            key,
            lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json"),
        )

    def _download(self, sink: "_HashingSink") -> None:
        spec = self._spec
        extra = {"VersionId": spec.version_id} if spec.version_id else {}
        try:
            with _manager(self._client) as manager:
                # s3transfer writes in order to what cannot seek, so the checksum needs no second pass over the disk.
                manager.download(spec.bucket, spec.key, sink, extra_args=extra).result()
        except failures() as error:
            raise StageInError(explain(self._role, "read", self.input_uri, error)) from error

    def _write(self, fault: type[RefusedError | StageOutError], key: str, act: Callable[[], Any]) -> None:
        try:
            act()
        except failures() as error:
            raise fault(explain(self._role, "write", keys.uri(self._bucket, key), error)) from error


class _HashingSink:
    """Writes to a file, counting and hashing; deliberately without ``seek``."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Append a piece."""
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def _manager(client: "S3Client") -> Any:
    from boto3.s3.transfer import TransferConfig, create_transfer_manager

    return create_transfer_manager(client, TransferConfig(max_concurrency=_CONCURRENCY))


def _check_room(directory: Path, size: int) -> None:
    free = shutil.disk_usage(directory).free
    if size + _FREE_MARGIN_BYTES > free:
        raise StageInError(
            f"the input has {size / 2**20:.0f} MiB, scratch has {free / 2**20:.0f} MiB free: raise root_gib of the pool"
        )
