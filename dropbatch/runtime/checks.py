"""Checksums that S3 keeps, computed again over what arrived.

boto3 checks what comes in one piece by itself, if it can compute what S3 keeps. Larger objects come in pieces, which it
does not check: those are asked for the checksum of the whole.
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

__all__ = ["ONE_PIECE_BYTES", "Check", "announced", "left_to_us"]

ONE_PIECE_BYTES = 8 * 1024 * 1024
"""Below this boto3 fetches an object by one request."""

_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_BY_BOTO3 = ("ChecksumCRC32", "ChecksumSHA1", "ChecksumSHA256")


class Check(Protocol):
    """A checksum under way."""

    name: str

    def update(self, data: bytes) -> None:
        """Take a piece."""

    def holds(self, sha256: str) -> bool:
        """Whether the pieces are those that were uploaded; the SHA-256 of them all is computed in any case."""


def announced(client: "S3Client", source: ObjectSpec) -> Check | None:
    """The check of a large object; None where S3 keeps none of the whole that can be computed here."""
    if source.size < ONE_PIECE_BYTES:
        return None
    version = {"VersionId": source.version_id} if source.version_id else {}
    return _of_the_whole(
        client.head_object(Bucket=source.bucket, Key=source.key, ChecksumMode="ENABLED", **version)  # type: ignore[arg-type]
    )


def left_to_us(answer: Mapping[str, Any]) -> Check | None:
    """The check of an object that comes in one piece, where boto3 makes none."""
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
    """Checksums that are of an object, not of the checksums of its parts."""
    if answer.get("ChecksumType") == "COMPOSITE":
        return {}
    # Those of parts end in their number. MiniStack calls even those of a version FULL_OBJECT.
    return {name: answer[name] for name in names if name in answer and "-" not in answer[name]}


def _of_the_uploader(answer: Mapping[str, Any]) -> Check | None:
    """What `dropbatch drop` leaves, since S3 keeps no checksum of the whole of what comes in parts."""
    value = answer.get("Metadata", {}).get(keys.CONTENT_SHA256, "")
    return _Sha256(value) if _HEX_SHA256.fullmatch(value) else None


def _md5(answer: Mapping[str, Any]) -> Check | None:
    """The ETag, of objects that were uploaded in one piece and are not encrypted by a key of one's own."""
    etag = str(answer.get("ETag", "")).strip('"')
    if not _MD5.fullmatch(etag) or answer.get("ServerSideEncryption", "AES256") != "AES256":
        return None
    return _Md5(etag)


class _Sha256:
    name = "SHA-256"

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted

    def update(self, data: bytes) -> None:
        """Nothing: it is computed in any case."""

    def holds(self, sha256: str) -> bool:
        return sha256 == self._wanted


class _Md5:
    name = "MD5"

    def __init__(self, wanted: str) -> None:
        self._state = hashlib.md5(usedforsecurity=False)
        self._wanted = wanted

    def update(self, data: bytes) -> None:
        self._state.update(data)

    def holds(self, sha256: str) -> bool:
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

    def holds(self, sha256: str) -> bool:
        return b64encode(self._value.to_bytes(self._width, "big")).decode() == self._wanted


@cache
def _crc64nvme() -> Callable[[bytes, int], int] | None:
    """AWS's own implementation. Images hold it where boto3 does not look, which would import it at every start."""
    beside = Path(__file__).parents[2] / "checksums"
    if beside.is_dir():
        sys.path.append(str(beside))
    try:
        checksums = importlib.import_module("awscrt.checksums")
    except ImportError:
        return None
    step: Callable[[bytes, int], int] = checksums.crc64nvme
    return step
