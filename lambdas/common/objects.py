"""Control objects in the output bucket, and what may be missing there."""

from typing import Any

from botocore.exceptions import ClientError

__all__ = ["read_object"]

# Where nobody may list, S3 says of what is not there that it is forbidden.
_GONE = {"NoSuchKey", "404", "AccessDenied", "403"}


def read_object(s3: Any, bucket: str, key: str) -> bytes | None:
    """Content of an object, or None when it is not there."""
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _GONE:
            raise
        return None
    return body
