"""Which objects there are: one version of each, with its size, so that what is read later is what was meant."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbatch.contract.manifest import ObjectSpec

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Found", "below", "by_head", "latest"]


@dataclass(frozen=True)
class Found:
    """An object as S3 named it."""

    spec: ObjectSpec
    etag: str


def below(client: "S3Client", bucket: str, prefix: str) -> Iterator[Found]:
    """The newest version of every object below a prefix; those whose key ends in ``/`` are folders drawn by a tool."""
    before = None
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Versions", []):
            # Not twice: where a page ends, MiniStack names an object of a bucket without versions on the next one too.
            if entry["IsLatest"] and not entry["Key"].endswith("/") and entry["Key"] != before:
                before = entry["Key"]
                yield _found(bucket, entry["Key"], entry["VersionId"], entry["Size"], entry["ETag"])


def latest(client: "S3Client", bucket: str, key: str) -> Found | None:
    """The newest version of one object, or None where there is none or it is deleted."""
    # The exact key sorts before all that it is a prefix of, and its newest version or deletion before the older ones.
    page = client.list_object_versions(Bucket=bucket, Prefix=key, MaxKeys=1)
    for entry in page.get("Versions", []):
        if entry["Key"] == key and entry["IsLatest"]:
            return _found(bucket, key, entry["VersionId"], entry["Size"], entry["ETag"])
    return None


def by_head(client: "S3Client", bucket: str, key: str) -> Found:
    """As `latest`, by the right to read alone: S3 answers "forbidden" where it does not exist."""
    head = client.head_object(Bucket=bucket, Key=key)
    return _found(bucket, key, head.get("VersionId", ""), head["ContentLength"], head["ETag"])


def _found(bucket: str, key: str, version_id: str, size: int, etag: str) -> Found:
    # A bucket that was never versioned calls its only version "null"; to name it takes a right that few give there.
    version_id = "" if version_id == "null" else version_id
    return Found(ObjectSpec(bucket=bucket, key=key, version_id=version_id, size=size), etag)
