"""Error messages for failed S3 requests, with their fixes."""

# ruff: noqa: PLC0415 – boto3 is imported inside functions, so that a run without S3 does not wait for it

__all__ = ["error_code", "explain", "failures"]


def failures() -> tuple[type[Exception], ...]:
    """Return the exception types of failed S3 requests and of file errors."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from s3transfer.exceptions import RetriesExceededError

    return (ClientError, BotoCoreError, Boto3Error, RetriesExceededError, OSError)


def error_code(error: Exception) -> str:
    """Return the S3 code of an error, or an empty text; for a HEAD request it is the HTTP status."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def explain(who: str, verb: str, uri: str, error: Exception) -> str:
    """Return a one-line message. Its parts: who could not do what with which object, the cause, and the fix."""
    code = error_code(error)
    if code in {"AccessDenied", "403", "Forbidden"}:
        # Without the permission to list a bucket, S3 answers 403 for missing objects.
        missing = ", or it was deleted" if verb == "read" else ""
        return f"{who} may not {verb} {uri}{missing}: {error}"
    if code in {"NoSuchKey", "NoSuchVersion", "404", "NotFound"}:
        return f"{uri} does not exist any more, was this version deleted? upload the file again"
    if code == "NoSuchBucket":
        return f"the bucket of {uri} does not exist: deploy the environment again"
    if isinstance(error, OSError) and error.strerror:
        return f"{uri}: {error.strerror}: {error.filename or 'scratch'}"
    return f"could not {verb} {uri}: {error}"
