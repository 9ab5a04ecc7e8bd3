"""List the current objects of buckets, with their versions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dropbatch.contract.manifest import ObjectSpec
from lambdas.arrival.requests.faults import Fault, FaultsError
from lambdas.arrival.requests.inputs import NamedInput

__all__ = ["Listing", "Page"]

_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a listing."""

    objects: list[ObjectSpec]
    """In order of their keys."""
    after: str | None
    """Key after which the next page starts; None on the last page."""


class Listing:
    """Lists objects with their current versions, and counts its calls of S3."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.calls = 0

    def page(self, bucket: str, prefix: str, *, after: str = "") -> Page:
        """Return up to 1,000 objects below a prefix, without folder markers."""
        answer = self._versions(Bucket=bucket, Prefix=prefix, KeyMarker=after, MaxKeys=_PAGE)
        objects = [each for each in _newest(bucket, answer) if not each.key.endswith("/")]
        # S3 lists the newest version of a key first, so the next page may skip the key's older versions.
        return Page(objects=objects, after=answer.get("NextKeyMarker") if answer.get("IsTruncated") else None)

    def one(self, named: NamedInput) -> ObjectSpec:
        """Return the object or folder that a request names.

        Raises:
            FaultsError: it does not exist, or its bucket cannot be listed.
        """
        try:
            found = self._folder(named) if named.is_folder else self._object(named)
        except ClientError as error:
            raise FaultsError(self.refused(named, error)) from error
        if found is None:
            fault = "the folder is empty" if named.is_folder else "the object does not exist"
            raise FaultsError(
                Fault(
                    place=named.place,
                    text=f"{fault}: s3://{named.bucket}/{named.key}: upload it first, or correct the name",
                )
            )
        return found

    def refused(self, named: NamedInput, error: ClientError) -> Fault:
        """Return the fault when a bucket is missing or access to it is denied; raise any other error again."""
        code = error.response.get("Error", {}).get("Code", "")
        if code in {"NoSuchBucket", "AccessDenied", "AllAccessDisabled", "PermanentRedirect", "InvalidBucketName"}:
            return Fault(
                place=named.place,
                text=f"bucket {named.bucket!r} cannot be listed ({code}): its owner must allow the arrival function to "
                "list it",
            )
        raise error

    def _folder(self, named: NamedInput) -> ObjectSpec | None:
        self.calls += 1
        answer = self._s3.list_objects_v2(Bucket=named.bucket, Prefix=named.key, MaxKeys=2)
        if not any(each["Key"] != named.key for each in answer.get("Contents", [])):
            return None
        return ObjectSpec(bucket=named.bucket, key=named.key, version_id="", size=0)

    def _object(self, named: NamedInput) -> ObjectSpec | None:
        # The key sorts before all longer keys, so one entry is enough to decide whether it exists.
        answer = self._versions(Bucket=named.bucket, Prefix=named.key, MaxKeys=1)
        return next((each for each in _newest(named.bucket, answer) if each.key == named.key), None)

    def _versions(self, **call: Any) -> Any:
        self.calls += 1
        return self._s3.list_object_versions(**{name: value for name, value in call.items() if value != ""})


def _newest(bucket: str, answer: Any) -> Iterator[ObjectSpec]:
    for each in answer.get("Versions", []):
        if each["IsLatest"]:
            yield ObjectSpec(bucket=bucket, key=each["Key"], version_id=each["VersionId"], size=each["Size"])
