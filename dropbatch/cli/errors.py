"""Errors that the command line reports, each with its exit code. Every message names the fix.

::

    CliError              1   any other error that the user can fix
    ├── RunFailedError    1   the run ended FAILED, REJECTED or CANCELLED
    ├── UsageFault        2   the command is invalid as written (click's own errors exit with 2 as well)
    ├── NotFoundError     3   no such environment, run, file or result
    ├── AccessError       4   permission denied
    │   └── CredentialsError  4   no credentials, or AWS rejects them
    ├── ReachError        5   AWS or the sandbox does not respond
    └── DifferentError    6   a reproduced result differs from the original

Ctrl-C exits with 130.
"""

import errno

import click

__all__ = [
    "AccessError",
    "CliError",
    "CredentialsError",
    "DifferentError",
    "NotFoundError",
    "ReachError",
    "RunFailedError",
    "UsageFault",
    "in_words",
]


class CliError(click.ClickException):
    """Base class: shown as one line, without a traceback."""

    exit_code = 1


class RunFailedError(CliError):
    """The run did not succeed."""


class UsageFault(CliError):  # noqa: N818 – `UsageError` is click's
    """The command is invalid for this deployment."""

    exit_code = 2


class NotFoundError(CliError):
    """The named environment, run, file or result does not exist."""

    exit_code = 3


class AccessError(CliError):
    """The credentials are missing or lack a permission."""

    exit_code = 4


class CredentialsError(AccessError):
    """There are no credentials, or AWS rejects them."""


class ReachError(CliError):
    """AWS or the sandbox does not respond."""

    exit_code = 5


class DifferentError(CliError):
    """Two results that should be the same are not."""

    exit_code = 6


_FULL = {errno.ENOSPC, errno.EDQUOT}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_UNKNOWN_KEY = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_CLOCK = ("RequestTimeTooSkewed", "Signature expired", "Signature not yet current")
_BUSY = {
    *("SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"),
    *("ProvisionedThroughputExceededException", "ServiceUnavailable", "InternalError", "InternalServerError", "503"),
}
_DENIED = {"AccessDenied", "AccessDeniedException", "403", "UnauthorizedOperation", "Forbidden"}
_NO_CREDENTIALS = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "TokenRetrievalError",
    "LoginRefreshRequired",
}
_NO_ANSWER = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ConnectionClosedError",
    "ConnectionError",
    "HTTPClientError",
    "IncompleteReadError",
    "ProxyConnectionError",
    "ResponseStreamingError",
    "SSLError",
}


def in_words(error: Exception) -> CliError | None:
    """Return the error as one with a readable message; None for a bug, which should show its traceback."""
    if isinstance(error, CliError):
        return error
    if type(error).__module__ == "dropbatch.sandbox.errors":
        return CliError(str(error))
    if isinstance(error, OSError) and error.errno in _FULL:
        return CliError(f"{error.filename or 'the disk'}: {error.strerror}: free some space, or write elsewhere")
    if isinstance(error, OSError) and error.filename is not None:
        return CliError(f"{error.filename}: {error.strerror}")
    if type(error).__module__.partition(".")[0] in {"botocore", "boto3", "s3transfer"}:
        return _of_aws(error)
    return None


def _of_aws(error: Exception) -> CliError:
    name = type(error).__name__
    # For a request without a response, the attribute exists and is None.
    details = (getattr(error, "response", None) or {}).get("Error", {})
    code = details.get("Code", "")
    if name in _NO_CREDENTIALS:
        return CredentialsError(
            f"no usable AWS credentials ({error}): sign in with `aws sso login`, or set AWS_PROFILE"
        )
    if name == "ProfileNotFound":
        return CredentialsError(f"{error}: set AWS_PROFILE to another one, or add it with `aws configure sso`")
    if name == "NoRegionError":
        return AccessError("no AWS region is set: set AWS_REGION, or `region` in the profile")
    if code in _EXPIRED:
        return CredentialsError("the AWS credentials have expired: sign in again, for instance with `aws sso login`")
    if any(each in f"{code}: {details.get('Message', '')}" for each in _CLOCK):
        return CredentialsError("the clock of this machine is wrong: set it (WSL 2 after a sleep: `sudo hwclock -s`)")
    if code in _UNKNOWN_KEY:
        return CredentialsError(f"AWS does not know these credentials ({code}): sign in again, or set AWS_PROFILE")
    if code in _DENIED:
        return AccessError(f"not allowed: {details.get('Message', error)}: ask whoever runs this environment")
    if name in _NO_ANSWER:
        return ReachError(f"no response: {error}: check the network, or `dropbatch sandbox status`")
    if code in _BUSY:
        return ReachError(f"AWS is throttling requests ({code}): try again in a minute")
    return CliError(str(error))
