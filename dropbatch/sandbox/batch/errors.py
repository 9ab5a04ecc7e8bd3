"""Errors of the Batch API.

BatchError
├── ClientError        the caller's mistake (HTTP 400, ``ClientException``)
├── ThrottlingError    too many requests (HTTP 429, ``TooManyRequestsException``)
└── ServerError        the service's failure (HTTP 500, ``ServerException``)
"""

__all__ = ["BatchError", "ClientError", "ServerError", "ThrottlingError"]


class BatchError(Exception):
    """An error that is returned to the client in AWS's form."""

    code = "ServerException"
    status = 500


class ClientError(BatchError):
    """The request is invalid or names a resource that does not exist."""

    code = "ClientException"
    status = 400


class ThrottlingError(BatchError):
    """The request rate exceeds AWS's limit; the caller should wait and retry."""

    code = "TooManyRequestsException"
    status = 429


class ServerError(BatchError):
    """The service failed."""
