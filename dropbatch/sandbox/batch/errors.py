"""Errors of the Batch API.

BatchError
├── ClientError        the caller's mistake (HTTP 400, ``ClientException``)
├── ThrottlingError    too many at once (HTTP 429, ``TooManyRequestsException``)
└── ServerError        ours (HTTP 500, ``ServerException``)
"""

__all__ = ["BatchError", "ClientError", "ServerError", "ThrottlingError"]


class BatchError(Exception):
    """An answer in AWS's error shape."""

    code = "ServerException"
    status = 500


class ClientError(BatchError):
    """The request asks for something invalid, or for something that does not exist."""

    code = "ClientException"
    status = 400


class ThrottlingError(BatchError):
    """More requests than AWS takes; the caller is to wait and try again."""

    code = "TooManyRequestsException"
    status = 429


class ServerError(BatchError):
    """The service failed."""
