"""Looking at buckets: which objects there are now, with their versions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dropbatch.contract.manifest import ObjectSpec
from lambdas.arrival.requests.faults import Fault, FaultsError
from lambdas.arrival.requests.inputs import Named

__all__ = ["Listing", "Page"]

_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class Page:
    """Objects in order of their keys, and the key after which there are more; None at the end."""

    objects: list[ObjectSpec]
    after: str | None


class Listing:
    """Lists objects, with a count of its calls. Asks for versions, so that it need not read what it finds."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.calls = 0

    def page(self, bucket: str, prefix: str, *, after: str = "") -> Page:
        """Up to 1,000 entries below a prefix, folder markers left out."""
        answer = self._versions(Bucket=bucket, Prefix=prefix, KeyMarker=after, MaxKeys=_PAGE)
        objects = [each for each in _newest(bucket, answer) if not each.key.endswith("/")]
        # The newest version of a key comes first: whatever else it has may be passed over.
        return Page(objects=objects, after=answer.get("NextKeyMarker") if answer.get("IsTruncated") else None)

    def one(self, named: Named) -> ObjectSpec:
        """What a key or a folder stands for.

        Raises:
            FaultsError: there is no such thing, or it may not be listed.
        """
        try:
            found = self._folder(named) if named.is_folder else self._object(named)
        except ClientError as error:
            raise FaultsError(self.refused(named, error)) from error
        if found is None:
            what = "folder is empty" if named.is_folder else "object does not exist"
            raise FaultsError(
                Fault(
                    place=named.place,
                    text=f"the {what}: s3://{named.bucket}/{named.key}: upload it first, or mend the name",
                )
            )
        return found

    def refused(self, named: Named, error: ClientError) -> Fault:
        """The fault of a bucket that is not there or not to be listed; any other error of AWS is raised again."""
        code = error.response.get("Error", {}).get("Code", "")
        if code in {"NoSuchBucket", "AccessDenied", "AllAccessDisabled", "PermanentRedirect", "InvalidBucketName"}:
            return Fault(
                place=named.place,
                text=f"bucket {named.bucket!r} cannot be listed ({code}): its owner must allow the arrival function to",
            )
        raise error

    def _folder(self, named: Named) -> ObjectSpec | None:
        self.calls += 1
        answer = self._s3.list_objects_v2(Bucket=named.bucket, Prefix=named.key, MaxKeys=2)
        if not any(each["Key"] != named.key for each in answer.get("Contents", [])):
            return None
        return ObjectSpec(bucket=named.bucket, key=named.key, version_id="", size=0)

    def _object(self, named: Named) -> ObjectSpec | None:
        # An entry for the key itself, were it there, would be the first.
        answer = self._versions(Bucket=named.bucket, Prefix=named.key, MaxKeys=1)
        return next((each for each in _newest(named.bucket, answer) if each.key == named.key), None)

    def _versions(self, **call: Any) -> Any:
        self.calls += 1
        return self._s3.list_object_versions(**{name: value for name, value in call.items() if value != ""})


def _newest(bucket: str, answer: Any) -> Iterator[ObjectSpec]:
    for each in answer.get("Versions", []):
        if each["IsLatest"]:
            yield ObjectSpec(bucket=bucket, key=each["Key"], version_id=each["VersionId"], size=each["Size"])
