"""Upload one file to S3, large files as parallel parts; an interrupted upload resumes from the parts that arrived."""

import hashlib
import json
import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from dropbatch.cli.errors import CliError
from dropbatch.contract import keys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["PART_BYTES", "Uploader", "digests", "memory"]

PART_BYTES = 8 * 1024 * 1024
"""Size of a part; larger for a file that would exceed S3's limit of 10,000 parts."""
_MAX_PARTS = 10_000
_PARTS_AT_ONCE = 8
_BLOCK = 1024 * 1024


def digests(path: Path, read: Callable[[int], None] = lambda count: None) -> tuple[str, str]:
    """Return SHA-256 and MD5 of a file, reading it once; `read` is called with the size of each block."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha256.update(block)
            md5.update(block)
            read(len(block))
    return sha256.hexdigest(), md5.hexdigest()


def memory() -> Path:
    """Return the directory that records unfinished uploads; without its files, they start from the beginning."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "dropbatch", "uploads")


class Uploader:
    """Upload files to one bucket. Thread-safe."""

    SHA256 = keys.CONTENT_SHA256

    def __init__(self, s3: "S3Client", bucket: str, sent: Callable[[int], None]) -> None:
        """`sent` is called with the number of bytes that have arrived."""
        self.sent = sent
        self._s3 = s3
        self._bucket = bucket
        self._stopped = threading.Event()
        # Separate from the threads that handle files: those wait for these.
        self._parts = ThreadPoolExecutor(_PARTS_AT_ONCE)

    def stop(self) -> None:
        """Start no more parts, and cancel pending ones."""
        self._stopped.set()
        self._parts.shutdown(wait=False, cancel_futures=True)

    def upload(self, path: Path, key: str, sha256: str) -> str:
        """Upload a file with a known SHA-256; return the version id.

        Raises:
            CliError: the file changed during the upload.
        """
        if path.stat().st_size <= PART_BYTES:
            body = path.read_bytes()
            if hashlib.sha256(body).hexdigest() != sha256:
                raise _changed(path)
            answer = self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, Metadata={self.SHA256: sha256})
            self.sent(len(body))
            return answer.get("VersionId", "")
        return self._in_parts(path, key, sha256)

    def _in_parts(self, path: Path, key: str, sha256: str) -> str:
        before = path.stat()
        size = max(PART_BYTES, math.ceil(before.st_size / _MAX_PARTS))
        note = memory() / (hashlib.sha256(f"{self._bucket}\0{key}\0{sha256}\0{size}".encode()).hexdigest() + ".json")
        upload_id, done = self._begun(note, key)
        if not upload_id:
            begun = self._s3.create_multipart_upload(Bucket=self._bucket, Key=key, Metadata={self.SHA256: sha256})
            upload_id = begun["UploadId"]
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(json.dumps({"key": key, "upload_id": upload_id}))

        def send(number: int) -> tuple[int, str]:
            offset = (number - 1) * size
            if number not in done:
                if self._stopped.is_set():
                    raise KeyboardInterrupt
                with path.open("rb") as file:
                    file.seek(offset)
                    body = file.read(size)
                part = self._s3.upload_part(
                    Bucket=self._bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body
                )
                done[number] = part["ETag"]
            self.sent(min(size, before.st_size - offset))
            return number, done[number]

        parts = list(self._parts.map(send, range(1, math.ceil(before.st_size / size) + 1)))
        after = path.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            note.unlink(missing_ok=True)
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            raise _changed(path)
        answer = self._s3.complete_multipart_upload(
            Bucket=self._bucket,
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in parts]},
        )
        note.unlink(missing_ok=True)
        return answer.get("VersionId", "")

    def _begun(self, note: Path, key: str) -> tuple[str, dict[int, str]]:
        """Return the id of an interrupted upload of the same content to the same key, and the parts that arrived."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 – slow

        try:
            upload_id: str = json.loads(note.read_text())["upload_id"]
        except (OSError, ValueError, KeyError):
            return "", {}
        try:
            pages = self._s3.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
            return upload_id, {part["PartNumber"]: part["ETag"] for page in pages for part in page.get("Parts", [])}
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchUpload", "404"}:
                return "", {}  # removed by the bucket's lifecycle rule, or completed
            raise


def _changed(path: Path) -> CliError:
    return CliError(f"{path} changed during the upload: drop it again when no program writes to it")
