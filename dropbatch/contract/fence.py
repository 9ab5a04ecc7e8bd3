"""The fence of an attempt: an object in the output bucket. Whoever creates it first owns the attempt.

Three parties take fences: a job before it starts the program, the run events function for a job that ended without
taking it, and the arrival function when it cancels a run that has not started.

S3's conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from typing import Any

__all__ = ["CANCELED", "FenceBusyError", "error_code", "owner_of", "take"]

CANCELED = "cancelled:"
"""Prefix of the owner when a request canceled the run; the identity of the request follows it."""

_TRIES = 5
_MAX_OWNER = 4096
"""Maximum number of bytes to read. An owner is a job id, or a request's key (at most 1,024 bytes) and version."""
_TAKEN = frozenset({"PreconditionFailed", "412"})
_BEING_WRITTEN = "ConditionalRequestConflict"
# Without the permission to list a bucket, S3 answers AccessDenied for missing objects.
_MISSING = frozenset({"NoSuchKey", "404", "AccessDenied", "403"})


class FenceBusyError(LookupError):
    """Several parties are writing the fence at the same time. Try again."""


def take(s3: Any, bucket: str, key: str, owner: str) -> str:
    """Take a fence if it is free; return its owner. Idempotent for the same owner.

    Args:
        s3: a client of S3.
        bucket: the output bucket.
        key: key of the fence (`keys.started_key`).
        owner: a job id, or `CANCELED` and the identity of a request.

    Raises:
        FenceBusyError: it is free, but could not be written in several tries.
        Exception: any other error of the client.
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
        current = owner_of(s3, bucket, key)
        if current is not None:
            return current
    raise FenceBusyError(f"{bucket}/{key} is being written by several parties at once")


def owner_of(s3: Any, bucket: str, key: str) -> str | None:
    """Return the owner of a fence, or None when it is free."""
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read(_MAX_OWNER)
    except Exception as error:
        if error_code(error) not in _MISSING:
            raise
        return None
    return body.decode("utf-8", "replace")


def error_code(error: Exception) -> str:
    """Return the code of an S3 error; an empty text for any other exception."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
