"""Downloads of small objects when connections break."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import IncompleteReadError

from dropbatch.contract.manifest import ObjectSpec
from dropbatch.runtime import transfer
from dropbatch.runtime.errors import StageInError
from tests.request_checks import check

BODY = b"all of it"


class Flaky:
    """An S3 client whose connections break in the middle of a body, this many times for each object."""

    def __init__(self, breaks: int, **answer: Any) -> None:
        self.breaks = breaks
        self.answer = answer
        self.asked = 0

    def get_object(self, **call: Any) -> dict[str, Any]:
        assert call == {"Bucket": "b", "Key": "k", "VersionId": "v"}
        check("s3", "GetObject", call)
        self.asked += 1
        return {"Body": self, **self.answer}

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        yield BODY[:4]
        if self.asked <= self.breaks:
            raise IncompleteReadError(actual_bytes=4, expected_bytes=len(BODY))
        yield BODY[4:]


def bring(client: Flaky, path: Path) -> Any:
    source = ObjectSpec(bucket="b", key="k", version_id="v", size=len(BODY))
    return transfer.download(client, [transfer.Download(source, path)], "the job role")  # type: ignore[arg-type]


def test_a_broken_transfer_is_retried(tmp_path: Path):
    (record,) = bring(Flaky(3), tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == BODY
    assert (record.size, record.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())


def test_a_transfer_that_breaks_every_time_fails_the_stage_in(tmp_path: Path):
    client = Flaky(99)

    with pytest.raises(StageInError, match="could not read s3://b/k"):
        bring(client, tmp_path / "file")

    assert client.asked == 5


MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
OTHER = hashlib.md5(b"something else", usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("breaks", [0, 2])
def test_an_object_that_boto3_cannot_check_is_checked_by_its_md5(tmp_path: Path, breaks: int):
    bring(Flaky(breaks, ETag=f'"{MD5}"', ChecksumCRC64NVME="whatever"), tmp_path / "file")

    with pytest.raises(StageInError, match="another MD5 checksum than was uploaded"):
        bring(Flaky(breaks, ETag=f'"{OTHER}"', ChecksumCRC64NVME="whatever"), tmp_path / "other")


@pytest.mark.parametrize(
    "answer",
    [
        {"ETag": f'"{OTHER}"', "ChecksumCRC32": "by boto3"},
        {"ETag": f'"{OTHER}-2"', "ChecksumCRC32": "of parts-2"},
        {"ETag": f'"{OTHER}"', "ServerSideEncryption": "aws:kms"},
        {"ETag": f'"{OTHER}-2"'},
        {},
    ],
)
def test_an_etag_that_is_no_md5_is_not_used_as_one(tmp_path: Path, answer: dict[str, str]):
    bring(Flaky(0, **answer), tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == BODY
