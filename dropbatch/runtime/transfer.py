"""Download and upload objects: large ones with boto3's transfer manager, small ones with one plain request each.

The reasons are in docs/adr/0032-small-objects-by-plain-requests.md.
"""

# ruff: noqa: PLC0415 – boto3 is imported inside functions, so that a run without S3 does not wait for it

import hashlib
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar

from dropbatch.contract import keys
from dropbatch.contract.manifest import ObjectSpec
from dropbatch.contract.record import FileRecord
from dropbatch.runtime import checksums
from dropbatch.runtime.errors import StageInError, StageOutError
from dropbatch.runtime.files import sha256
from dropbatch.runtime.s3_errors import explain, failures

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["CONCURRENCY", "Download", "Upload", "check_room", "download", "upload"]

CONCURRENCY = 8
_TRIES = 5  # for a small object when the connection breaks, as many as the transfer manager makes
_PIECE_BYTES = 1024 * 1024
_PART_IN_BYTES = 8 * 1024 * 1024  # of a large download; parts are kept in memory until they can be written in order
_PART_OUT_BYTES = 16 * 1024 * 1024  # of a large upload; parts are read from the file
_FREE_MARGIN_BYTES = 64 * 1024 * 1024

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Pair: TypeAlias = "tuple[Download, _Sink]"


@dataclass(frozen=True)
class Download:
    """An object to download, and the path of the new file. The file's directory must exist."""

    source: ObjectSpec
    path: Path
    etag: str | None = None
    """ETag in the listing; without it, one more request is needed."""


@dataclass(frozen=True)
class Upload:
    """A file to upload, and the bucket and key of the new object."""

    path: Path
    bucket: str
    key: str
    content_type: str | None = None


def check_room(directory: Path, size: int) -> None:
    """Check that the disk has room for `size` bytes.

    Raises:
        StageInError: there is too little room.
    """
    free = shutil.disk_usage(directory).free
    if size + _FREE_MARGIN_BYTES > free:
        raise StageInError(
            f"the input has {size / 2**20:.0f} MiB, scratch has {free / 2**20:.0f} MiB free: raise root_gib of the pool"
        )


def download(client: "S3Client", wanted: Sequence[Download], who: str) -> list[FileRecord]:
    """Download object versions, and verify their sizes and S3's checksums.

    Raises:
        StageInError: an object could not be read, or its size or checksum differs.
    """
    pairs = [(item, _Sink(item.path)) for item in wanted]
    small = [pair for pair in pairs if pair[0].source.size < checksums.ONE_PIECE_BYTES]
    large = [pair for pair in pairs if pair[0].source.size >= checksums.ONE_PIECE_BYTES]
    try:
        _download_small(client, small, who)
        _get_checksums(client, large, who)
        _download_large(client, large, who)
    finally:
        for _, sink in pairs:
            sink.close()
    return [_verified(item.source, sink) for item, sink in pairs]


def _get_checksums(client: "S3Client", pairs: "Sequence[_Pair]", who: str) -> None:
    """Get the checksums of large objects."""

    def ask(pair: _Pair) -> None:
        pair[1].check = checksums.large_object_check(client, pair[0].source)

    _several(ask, pairs, lambda pair, error: _unread(pair[0], who, error))


def _unread(item: Download, who: str, error: Exception) -> StageInError:
    return StageInError(explain(who, "read", _uri(item.source), error))


def _several(
    act: Callable[[_Item], _Result], items: Sequence[_Item], fault: Callable[[_Item, Exception], Exception]
) -> list[_Result]:
    """Call a function for each item in several threads. After the first failure, no further calls begin."""
    pool = ThreadPoolExecutor(CONCURRENCY)
    results = []
    try:
        for item, future in [(item, pool.submit(act, item)) for item in items]:
            try:
                results.append(future.result())
            except failures() as error:
                raise fault(item, error) from error
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def _download_small(client: "S3Client", pairs: "Sequence[_Pair]", who: str) -> None:
    """Download each object with one request, which takes half the time of the transfer manager."""
    from s3transfer.utils import S3_RETRYABLE_DOWNLOAD_ERRORS

    def fetch(pair: _Pair) -> None:
        item, sink = pair
        for left in reversed(range(_TRIES)):
            try:
                answer = client.get_object(**_request(item))  # type: ignore[arg-type]
                sink.check = checksums.small_object_check(answer)
                for piece in answer["Body"].iter_chunks(_PIECE_BYTES):
                    sink.write(piece)
            except S3_RETRYABLE_DOWNLOAD_ERRORS:
                if not left:
                    raise
                sink.rewind()
            else:
                break
        sink.close()

    _several(fetch, pairs, lambda pair, error: _unread(pair[0], who, error))


def _download_large(client: "S3Client", pairs: "Sequence[_Pair]", who: str) -> None:
    if not pairs:
        return
    with _manager(client, _PART_IN_BYTES) as manager:
        # The manager writes to sinks in order, since they cannot seek. So checksums are computed without another read.
        futures = [
            manager.download(
                item.source.bucket,
                item.source.key,
                sink,
                extra_args={"VersionId": item.source.version_id} if item.source.version_id else {},
                subscribers=[_subscriber(item, sink)],
            )
            for item, sink in pairs
        ]
        for (item, _), future in zip(pairs, futures, strict=True):
            try:
                future.result()
            except failures() as error:
                # Leaving the context waits for the other downloads. Their errors are ignored.
                for other in futures:
                    other.cancel()
                raise _unread(item, who, error) from error


def _request(item: Download) -> dict[str, str]:
    source = item.source
    version = {"VersionId": source.version_id} if source.version_id else {}
    # Without versioning, the object may have been replaced since it was listed.
    same = {"IfMatch": item.etag} if item.etag else {}
    return {"Bucket": source.bucket, "Key": source.key, **version, **same}


def _verified(source: ObjectSpec, sink: "_Sink") -> FileRecord:
    if sink.size != source.size:
        raise StageInError(f"{_uri(source)} has {sink.size} bytes, expected were {source.size}: upload the file again")
    if sink.check is not None and not sink.check.matches(sink.sha256):
        raise StageInError(f"{_uri(source)} has another {sink.check.name} checksum than was uploaded: retry the run")
    return FileRecord(uri=_uri(source), size=sink.size, sha256=sink.sha256, version_id=source.version_id)


def upload(client: "S3Client", wanted: Sequence[Upload], who: str) -> list[FileRecord]:
    """Upload files, several at once.

    Raises:
        StageOutError: a file could not be uploaded; others may have been.
    """
    sizes = {item: _size(item) for item in wanted}
    small = [item for item in wanted if sizes[item] < checksums.ONE_PIECE_BYTES]
    large = [item for item in wanted if sizes[item] >= checksums.ONE_PIECE_BYTES]
    records = dict(zip(small, _upload_small(client, small, who), strict=True))
    records |= dict(zip(large, _upload_large(client, large, who), strict=True))
    return [records[item] for item in wanted]


def _upload_small(client: "S3Client", wanted: Sequence[Upload], who: str) -> list[FileRecord]:
    """Upload each file with one request. It is read once, and its checksum is computed from the bytes that are sent."""

    def send(item: Upload) -> FileRecord:
        try:
            body = item.path.read_bytes()
        except OSError as error:
            raise _unreadable(item, error) from error
        client.put_object(Bucket=item.bucket, Key=item.key, Body=body, **_extra(item))  # type: ignore[arg-type]
        return FileRecord(uri=keys.uri(item.bucket, item.key), size=len(body), sha256=hashlib.sha256(body).hexdigest())

    return _several(send, wanted, lambda item, error: _unwritten(item, who, error))


def _upload_large(client: "S3Client", wanted: Sequence[Upload], who: str) -> list[FileRecord]:
    if not wanted:
        return []
    with _manager(client, _PART_OUT_BYTES) as manager:
        futures = [manager.upload(str(item.path), item.bucket, item.key, extra_args=_extra(item)) for item in wanted]
        # Files are read again for their checksums, while uploads are in progress.
        records = [_record(item) for item in wanted]
        for item, future in zip(wanted, futures, strict=True):
            try:
                future.result()
            except failures() as error:
                for other in futures:
                    other.cancel()
                raise _unwritten(item, who, error) from error
    return records


def _extra(item: Upload) -> dict[str, str]:
    return {"ContentType": item.content_type} if item.content_type else {}


def _size(item: Upload) -> int:
    try:
        return item.path.stat().st_size
    except OSError as error:
        raise _unreadable(item, error) from error


def _record(item: Upload) -> FileRecord:
    try:
        return FileRecord(uri=keys.uri(item.bucket, item.key), size=_size(item), sha256=sha256(item.path))
    except OSError as error:
        raise _unreadable(item, error) from error


def _unreadable(item: Upload, error: OSError) -> StageOutError:
    return StageOutError(f"the result {item.path.name} cannot be read: {error.strerror}")


def _unwritten(item: Upload, who: str, error: Exception) -> StageOutError:
    return StageOutError(explain(who, "write", keys.uri(item.bucket, item.key), error))


def _uri(source: ObjectSpec) -> str:
    return keys.uri(source.bucket, source.key)


class _Sink:
    """Writes a downloaded file, counts its bytes and computes its checksum. Has no ``seek``, so writes are in order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.check: checksums.Check | None = None
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Append a piece; the first one creates the file."""
        if self._file is None:
            self._file = self._path.open("xb")
        self._hash.update(data)
        if self.check is not None:
            self.check.update(data)
        self.size += len(data)
        return self._file.write(data)

    def rewind(self) -> None:
        """Delete the file, for another try of the download."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path.unlink()
        self._hash = hashlib.sha256()
        self.size = 0

    def close(self) -> None:
        """Close the file; create it if the object is empty."""
        if self._file is not None:
            self._file.close()
        elif not self.size:
            self._path.touch()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def _subscriber(item: Download, sink: _Sink) -> Any:
    """A subscriber that gives the manager the known size and ETag, and closes the file after its download."""
    from s3transfer.subscribers import BaseSubscriber

    class Known(BaseSubscriber):  # type: ignore[misc, unused-ignore]
        def on_queued(self, future: Any, **_: Any) -> None:
            if item.etag:
                future.meta.provide_transfer_size(item.source.size)
                future.meta.provide_object_etag(item.etag)

        def on_done(self, future: Any, **_: Any) -> None:
            sink.close()

    return Known()


def _manager(client: "S3Client", part_bytes: int) -> Any:
    from boto3.s3.transfer import TransferConfig, create_transfer_manager

    config = TransferConfig(
        max_concurrency=CONCURRENCY, multipart_chunksize=part_bytes, preferred_transfer_client="classic"
    )
    return create_transfer_manager(client, config)
