"""Wraps of S3: versions and their listing."""

import inspect
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from dropbatch.sandbox import Sandbox, emulator
from tests.sandbox.batch_stack import BatchStack, allow
from tests.sandbox.conftest import Client


@pytest.fixture
def name() -> str:
    return f"w-{uuid4().hex[:8]}"


class TestVersionListing:
    KEYS = ("a b+(1) ü.txt", "100%25.txt", "<&>.txt", "deep/er//key")

    def test_url_encoded_version_listings_decode_to_the_original_keys(self, aws: Client) -> None:
        s3 = aws("s3")
        s3.create_bucket(Bucket="awkward", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        for key in self.KEYS:
            s3.put_object(Bucket="awkward", Key=key)
        bodies: list[bytes] = []
        s3.meta.events.register(
            "before-parse.s3.ListObjectVersions", lambda response_dict, **_: bodies.append(response_dict["body"])
        )

        listed = s3.list_object_versions(Bucket="awkward", EncodingType="url")["Versions"]

        assert {unquote_plus(each["Key"]) for each in listed} == set(self.KEYS)
        assert b"<EncodingType>url</EncodingType>" in bodies[0]
        assert b"a%20b%2B%281%29%20%C3%BC.txt" in bodies[0]

    @pytest.mark.gap("version_listing")
    def test_gap_plain_ministack_ignores_the_encoding_of_version_listings(self) -> None:
        assert "encoding-type" not in inspect.getsource(emulator.service("s3")._list_object_versions)


class TestVersionRanges:
    def test_a_range_of_a_version_returns_only_that_range(self, aws: Client, name: str) -> None:
        s3 = aws("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        version = s3.put_object(Bucket=name, Key="k", Body=b"0123456789")["VersionId"]
        s3.put_object(Bucket=name, Key="k", Body=b"another version")

        def read(wanted: str) -> Any:
            return s3.get_object(Bucket=name, Key="k", VersionId=version, Range=wanted)

        assert read("bytes=2-4")["Body"].read() == b"234"
        assert read("bytes=2-4")["ContentRange"] == "bytes 2-4/10"
        with pytest.raises(ClientError, match="InvalidRange"):
            read("bytes=10-11")

    @pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system counts no bytes that a process reads")
    @pytest.mark.parametrize("pinned", [True, False])
    def test_a_part_of_a_large_object_is_read_without_the_rest(
        self, aws: Client, name: str, sandbox: Sandbox, pinned: bool
    ) -> None:
        s3 = aws("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        body = bytes(range(256)) * 2**17  # 32 MiB
        answer = s3.put_object(Bucket=name, Key="k", Body=body)
        version = {"VersionId": answer["VersionId"]} if pinned else {}
        pid = sandbox.status().pid

        def bytes_read() -> int:
            return int(Path(f"/proc/{pid}/io").read_text().split()[1])

        before = bytes_read()
        part = s3.get_object(Bucket=name, Key="k", Range="bytes=1000-1009", **version)["Body"].read()

        assert part == body[1000:1010]
        assert bytes_read() - before < 2**20
        assert s3.get_object(Bucket=name, Key="k", **version)["Body"].read() == body

    @pytest.mark.gap("version_ranges")
    def test_gap_plain_ministack_applies_the_range_of_a_version_too_late(self) -> None:
        source = inspect.getsource(emulator.service("s3")._get_object)

        assert source.index("return 200, resp_headers, body") < source.index("range")
        assert "f.read()" in inspect.getsource(emulator.service("s3")._read_body)


LISTING: dict[str, tuple[tuple[dict[str, Any], ...], str, str]] = {
    "nothing of listing": ((), "AccessDenied", "403"),
    "listing below a prefix": (
        ({"Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": ["mine/*"]}}},),
        "AccessDenied",
        "403",
    ),
    "listing": (({"Action": "s3:ListBucket", "Resource": "*"},), "NoSuchKey", "404"),
}


class TestHiddenObjects:
    @pytest.mark.parametrize("may", LISTING)
    def test_a_missing_object_is_revealed_only_to_those_who_may_list(
        self, sandbox: Sandbox, aws: Client, name: str, may: str
    ) -> None:
        more, got, looked = LISTING[may]
        aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        aws("s3").put_object(Bucket=name, Key="mine/there")
        s3 = aws("s3", BatchStack(sandbox, aws).user(allow({"Action": "s3:GetObject", "Resource": "*"}, *more)))

        assert s3.get_object(Bucket=name, Key="mine/there")
        with pytest.raises(ClientError) as reading:
            s3.get_object(Bucket=name, Key="mine/missing")
        with pytest.raises(ClientError) as looking:
            s3.head_object(Bucket=name, Key="mine/missing")

        assert (reading.value.response["Error"]["Code"], looking.value.response["Error"]["Code"]) == (got, looked)

    @pytest.mark.gap("hidden_objects")
    def test_gap_plain_ministack_reveals_missing_objects_to_everybody(self) -> None:
        s3 = emulator.service("s3")
        assert not {"enforce", "ListBucket"} & set(inspect.getsource(s3._head_object).replace("(", " ").split())
