"""Verify downloads against the checksums that S3 stores.

boto3 verifies objects that it downloads in one request, if it can compute the stored kind of checksum. It does not
verify larger objects, which it downloads in parts: for these, this module gets the checksum of the whole object.
"""

import hashlib
import importlib
import re
import sys
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dropbatch.contract import keys
from dropbatch.contract.manifest import ObjectSpec

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ONE_PIECE_BYTES", "Check", "large_object_check", "small_object_check"]

ONE_PIECE_BYTES = 8 * 1024 * 1024
"""Size from which boto3 downloads an object in parts."""

_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_BY_BOTO3 = ("ChecksumCRC32", "ChecksumSHA1", "ChecksumSHA256")


class Check(Protocol):
    """A checksum that is computed piece by piece."""

    name: str

    def update(self, data: bytes) -> None:
        """Add a piece of the object."""

    def matches(self, sha256: str) -> bool:
        """Return whether the checksum is the stored one. `sha256` is that of all pieces, which the caller computes."""


def large_object_check(client: "S3Client", source: ObjectSpec) -> Check | None:
    """Return the check of a large object; None if S3 has no checksum of the whole object that can be computed here."""
    if source.size < ONE_PIECE_BYTES:
        return None
    version = {"VersionId": source.version_id} if source.version_id else {}
    return _of_the_whole(
        client.head_object(Bucket=source.bucket, Key=source.key, ChecksumMode="ENABLED", **version)  # type: ignore[arg-type]
    )


def small_object_check(answer: Mapping[str, Any]) -> Check | None:
    """Return the check of an object that is downloaded in one request; None if boto3 verifies it."""
    return None if _whole(answer, _BY_BOTO3) else _of_the_whole(answer)


def _of_the_whole(answer: Mapping[str, Any]) -> Check | None:
    whole = _whole(answer, ("ChecksumSHA256", "ChecksumCRC64NVME", "ChecksumCRC32"))
    if value := whole.get("ChecksumSHA256"):
        return _Sha256(b64decode(value).hex())
    if (value := whole.get("ChecksumCRC64NVME")) and (crc64 := _crc64nvme()):
        return _Crc("CRC64NVME", crc64, 8, value)
    if value := whole.get("ChecksumCRC32"):
        return _Crc("CRC32", zlib.crc32, 4, value)
    return _of_the_uploader(answer) or _md5(answer)


def _whole(answer: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """The checksums of the whole object, as opposed to checksums of the checksums of its parts."""
    if answer.get("ChecksumType") == "COMPOSITE":
        return {}
    # A checksum of parts ends in the number of parts. MiniStack calls even such a checksum FULL_OBJECT.
    return {name: answer[name] for name in names if name in answer and "-" not in answer[name]}


def _of_the_uploader(answer: Mapping[str, Any]) -> Check | None:
    """The SHA-256 that `dropbatch drop` writes to the metadata, since S3 stores none of the whole multipart upload."""
    value = answer.get("Metadata", {}).get(keys.CONTENT_SHA256, "")
    return _Sha256(value) if _HEX_SHA256.fullmatch(value) else None


def _md5(answer: Mapping[str, Any]) -> Check | None:
    """The ETag, which is an MD5 for objects that were uploaded in one piece and are not encrypted with a KMS key."""
    etag = str(answer.get("ETag", "")).strip('"')
    if not _MD5.fullmatch(etag) or answer.get("ServerSideEncryption", "AES256") != "AES256":
        return None
    return _Md5(etag)


class _Sha256:
    name = "SHA-256"

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted

    def update(self, data: bytes) -> None:
        """Do nothing: the caller computes the SHA-256."""

    def matches(self, sha256: str) -> bool:
        return sha256 == self._wanted


class _Md5:
    name = "MD5"

    def __init__(self, wanted: str) -> None:
        self._state = hashlib.md5(usedforsecurity=False)
        self._wanted = wanted

    def update(self, data: bytes) -> None:
        self._state.update(data)

    def matches(self, sha256: str) -> bool:
        return self._state.hexdigest() == self._wanted


class _Crc:
    def __init__(self, name: str, step: Callable[[bytes, int], int], width: int, wanted: str) -> None:
        self.name = name
        self._step = step
        self._width = width
        self._wanted = wanted
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._step(data, self._value)

    def matches(self, sha256: str) -> bool:
        return b64encode(self._value.to_bytes(self._width, "big")).decode() == self._wanted


@cache
def _crc64nvme() -> Callable[[bytes, int], int] | None:
    """AWS's implementation of CRC64NVME. In images it is outside boto3's path, which would import it at every start."""
    beside = Path(__file__).parents[2] / "checksums"
    if beside.is_dir():
        sys.path.append(str(beside))
    try:
        checksums = importlib.import_module("awscrt.checksums")
    except ImportError:
        return None
    step: Callable[[bytes, int], int] = checksums.crc64nvme
    return step
