"""Errors of the Batch API.

BatchError
├── ClientError   the caller's mistake (HTTP 400, ``ClientException``)
└── ServerError   ours (HTTP 500, ``ServerException``)
"""

__all__ = ["BatchError", "ClientError", "ServerError"]


class BatchError(Exception):
    """An answer in AWS's error shape."""

    code = "ServerException"
    status = 500


class ClientError(BatchError):
    """The request asks for something invalid, or for something that does not exist."""

    code = "ClientException"
    status = 400


class ServerError(BatchError):
    """The service failed."""
