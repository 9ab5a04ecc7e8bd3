"""List objects in S3 with version and size, so that exactly these versions are read later."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbatch.contract.manifest import ObjectSpec

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ListedObject", "head", "latest_version", "list_below"]


@dataclass(frozen=True)
class ListedObject:
    """An object version that S3 listed."""

    spec: ObjectSpec
    etag: str


def list_below(client: "S3Client", bucket: str, prefix: str) -> Iterator[ListedObject]:
    """Yield the newest version of every object below a prefix, without folder markers (keys that end in ``/``)."""
    before = None
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Versions", []):
            # MiniStack repeats the last object of a page on the next page if the bucket has no versioning.
            if entry["IsLatest"] and not entry["Key"].endswith("/") and entry["Key"] != before:
                before = entry["Key"]
                yield _listed(bucket, entry["Key"], entry["VersionId"], entry["Size"], entry["ETag"])


def latest_version(client: "S3Client", bucket: str, key: str) -> ListedObject | None:
    """Return the newest version of an object, or None when it does not exist or is deleted."""
    # The exact key sorts before longer keys, and its newest version or delete marker before older versions.
    page = client.list_object_versions(Bucket=bucket, Prefix=key, MaxKeys=1)
    for entry in page.get("Versions", []):
        if entry["Key"] == key and entry["IsLatest"]:
            return _listed(bucket, key, entry["VersionId"], entry["Size"], entry["ETag"])
    return None


def head(client: "S3Client", bucket: str, key: str) -> ListedObject:
    """Like `latest_version`, but needs only permission to read; then S3 answers "forbidden" for a missing object."""
    answer = client.head_object(Bucket=bucket, Key=key)
    return _listed(bucket, key, answer.get("VersionId", ""), answer["ContentLength"], answer["ETag"])


def _listed(bucket: str, key: str, version_id: str, size: int, etag: str) -> ListedObject:
    # Without versioning the version is "null". Reading by version needs a permission that is seldom granted there.
    version_id = "" if version_id == "null" else version_id
    return ListedObject(ObjectSpec(bucket=bucket, key=key, version_id=version_id, size=size), etag)
