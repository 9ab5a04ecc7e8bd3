"""Checksums of large objects."""

import hashlib
import sys
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from dropbatch.contract.manifest import ObjectSpec
from dropbatch.runtime import checksums
from tests.request_checks import check

BODY = b"x" * 10_000_000
LARGE = ObjectSpec(bucket="b", key="k", version_id="v", size=len(BODY))
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


class Client:
    """Answers HeadObject like S3."""

    def __init__(self, **head: Any) -> None:
        self.head = {"ETag": f'"{MD5}-2"'} | head
        self.asked: list[dict[str, Any]] = []

    def head_object(self, **words: Any) -> dict[str, Any]:
        check("s3", "HeadObject", words)
        self.asked.append(words)
        return self.head


def code(digest: bytes) -> str:
    return b64encode(digest).decode()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ({"ChecksumSHA256": code(hashlib.sha256(BODY).digest()), "ChecksumType": "FULL_OBJECT"}, "SHA-256"),
        ({"ChecksumCRC32": code(zlib.crc32(BODY).to_bytes(4, "big")), "ChecksumType": "FULL_OBJECT"}, "CRC32"),
        ({"Metadata": {"sha256": hashlib.sha256(BODY).hexdigest()}, "ETag": f'"{MD5}"'}, "SHA-256"),
        ({"ETag": f'"{MD5}"'}, "MD5"),
        ({"ETag": f'"{MD5}"', "ServerSideEncryption": "AES256"}, "MD5"),
    ],
)
def test_a_full_object_checksum_is_verified(head: dict[str, Any], name: str):
    for body, holds in ((BODY, True), (BODY[:-1] + b"y", False)):
        check = checksums.large_object_check(Client(**head), LARGE)  # type: ignore[arg-type]
        assert check is not None
        assert check.name == name
        check.update(body[:5000])
        check.update(body[5000:])
        assert check.matches(hashlib.sha256(body).hexdigest()) is holds


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"Metadata": {"sha256": "of the lab's own"}},
        {"ChecksumCRC32": "AAAAAA==-2", "ChecksumType": "COMPOSITE"},
        {"ChecksumCRC32": "AAAAAA==-2", "ChecksumType": "FULL_OBJECT"},
        {"ETag": f'"{MD5}"', "ServerSideEncryption": "aws:kms"},
    ],
)
def test_a_composite_checksum_is_not_used_as_a_full_one(head: dict[str, str]):
    assert checksums.large_object_check(Client(**head), LARGE) is None  # type: ignore[arg-type]


def test_checksums_of_small_objects_are_not_requested():
    client = Client()

    assert checksums.large_object_check(client, ObjectSpec(bucket="b", key="k", version_id="", size=8_000_000)) is None  # type: ignore[arg-type]
    assert client.asked == []
    checksums.large_object_check(client, LARGE)  # type: ignore[arg-type]
    assert client.asked == [{"Bucket": "b", "Key": "k", "VersionId": "v", "ChecksumMode": "ENABLED"}]


AWSCRT = """
def crc64nvme(data, value=0):
    value ^= 2**64 - 1
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x9A6C9329AC4BC9B5 if value & 1 else 0)
    return value ^ 2**64 - 1
"""


def test_checksums_that_s3_computes_use_a_separate_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "checksums" / "awscrt"
    folder.mkdir(parents=True)
    (folder / "checksums.py").write_text(AWSCRT)
    monkeypatch.setattr(checksums, "__file__", str(tmp_path / "dropbatch" / "runtime" / "checksums.py"))
    monkeypatch.setattr(sys, "path", sys.path.copy())
    checksums._crc64nvme.cache_clear()
    before = set(sys.modules)
    kept = {"ChecksumCRC64NVME": code(0xAE8B14860A799888.to_bytes(8, "big")), "ServerSideEncryption": "aws:kms"}

    for body, holds in ((b"123456789", True), (b"123456780", False)):
        check = checksums.small_object_check(kept)
        assert check is not None
        check.update(body[:4])
        check.update(body[4:])
        assert (check.name, check.matches("")) == ("CRC64NVME", holds)
    checksums._crc64nvme.cache_clear()
    for name in set(sys.modules) - before:
        del sys.modules[name]
