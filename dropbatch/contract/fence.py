"""The fence: an object in the output bucket that the first owner creates. Only its owner may work on the attempt.

Three parties take it in this one way: a job before it starts the program, the run events function for a job that ended
without, and the arrival function when a run is canceled before it starts.

S3's conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from typing import Any

__all__ = ["CANCELED", "FenceBusyError", "error_code", "owner_of", "take"]

CANCELED = "cancelled:"
"""Begins the owner when a request canceled the run; the identity of the request follows."""

_TRIES = 5
_MAX_OWNER = 4096
"""Bytes that are read: an owner is a job id or the identity of a request, at most 1,024 bytes of key and a version."""
_TAKEN = frozenset({"PreconditionFailed", "412"})
_BEING_WRITTEN = "ConditionalRequestConflict"
# S3 says AccessDenied of a missing object to those who may not list the bucket.
_MISSING = frozenset({"NoSuchKey", "404", "AccessDenied", "403"})


class FenceBusyError(LookupError):
    """Several parties write the fence at the same time: try again."""


def take(s3: Any, bucket: str, key: str, owner: str) -> str:
    """Take a fence unless somebody has it; return its owner. Taking it twice for one owner is the same as once.

    Args:
        s3: a client of S3.
        bucket: the output bucket.
        key: key of the fence (`keys.started_key`).
        owner: a job id, or `CANCELED` and the identity of a request.

    Raises:
        FenceBusyError: nobody has it, and it could not be written in several tries.
        Exception: what the client raises for any other error.
    """
    for _ in range(_TRIES):
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=owner.encode(), IfNoneMatch="*")
            return owner
        except Exception as error:
            code = error_code(error)
            if code == _BEING_WRITTEN:
                continue
            if code not in _TAKEN:
                raise
        found = owner_of(s3, bucket, key)
        if found is not None:
            return found
    raise FenceBusyError(f"{bucket}/{key} is being written by several at once")


def owner_of(s3: Any, bucket: str, key: str) -> str | None:
    """Return the owner of a fence, or None when nobody has taken it."""
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read(_MAX_OWNER)
    except Exception as error:
        if error_code(error) not in _MISSING:
            raise
        return None
    return body.decode("utf-8", "replace")


def error_code(error: Exception) -> str:
    """Return the code of an error of S3's, empty for an error of another kind."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
