"""The base of every simulated service: it checks and counts each call before it is answered."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.request_checks import Check, check

Tap = Callable[[str, Mapping[str, Any]], None]


def error(code: str, operation: str, *, message: str = "", status: int | None = None) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message or f"{code} in {operation}"}}
    if status is not None:
        answer["ResponseMetadata"] = {"HTTPStatusCode": status}
    return ClientError(answer, operation)


class Service:
    name: str
    """The service's name in boto3."""

    def __init__(self, tap: Tap, check: Check = check) -> None:
        self._tap = tap
        self._check_request = check

    def _called(self, operation: str, arguments: Mapping[str, Any]) -> None:
        self._check_request(self.name, operation, arguments)
        self._tap(operation, arguments)
