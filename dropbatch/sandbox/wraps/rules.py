"""A wrap of all of MiniStack's services: refuse requests that break a rule of the service."""

import json
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from dropbatch.sandbox import emulator
from dropbatch.sandbox.incoming import JSON, Incoming, read
from dropbatch.sandbox.rules import Violation, violations

__all__ = ["wrap_rules"]

Answer = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, Any, bytes, Any], Awaitable[Answer]]

_SERVICES = ("dynamodb", "events", "logs", "s3", "sns", "sqs", "ssm")


def wrap_rules() -> None:
    """Refuse requests that break a rule of `dropbatch.sandbox.rules`, which MiniStack accepts."""
    handlers = emulator.module("app").SERVICE_HANDLERS
    for service in _SERVICES:
        handlers[service] = _checked(service, handlers[service])


def _checked(service: str, handler: Handler) -> Handler:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
        request = Incoming(method, path, headers, body, query)
        found = read(service, request)
        broken = list(violations(service, *found)) if found else []
        for violation in broken:
            if not violation.rule.entry:
                return _refusal(service, violation)
        if broken and found:
            return await _entries(handler, request, found[1])
        return await handler(method, path, headers, body, query)

    return handle


async def _entries(handler: Handler, request: Incoming, params: dict[str, Any]) -> Answer:
    """Accept the valid entries of PutEvents, and return an error for each of the others."""
    results = [_entry_error(entry) for entry in params["Entries"]]
    taken = [entry for entry, error in zip(params["Entries"], results, strict=True) if error is None]
    answers: Iterator[Any] = iter(())
    if taken:
        body = json.dumps({**params, "Entries": taken}).encode()
        status, answered, text = await handler(*request._replace(body=body))
        if status != HTTPStatus.OK:
            return status, answered, text
        answers = iter(json.loads(text)["Entries"])
    entries = [error or next(answers) for error in results]
    failed = sum("ErrorCode" in entry for entry in entries)
    return 200, _headers("events"), json.dumps({"FailedEntryCount": failed, "Entries": entries}).encode()


def _entry_error(entry: dict[str, Any]) -> dict[str, str] | None:
    for violation in violations("events", "PutEvents", {"Entries": [entry]}):
        return {"ErrorCode": violation.rule.code, "ErrorMessage": violation.message.partition(".")[2]}
    return None


def _headers(service: str) -> dict[str, str]:
    return {"Content-Type": f"application/x-amz-json-1.{'0' if service in {'dynamodb', 'sqs'} else '1'}"}


def _refusal(service: str, violation: Violation) -> Answer:
    """Return the error in the service's format."""
    code, message = violation.rule.code, violation.message
    if service in JSON:
        body = json.dumps({"__type": code.rpartition(".")[2], "message": message}).encode()
        compatible = {"x-amzn-query-error": f"{code};Sender"} if service == "sqs" else {}
        return 400, _headers(service) | compatible, body
    text = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    if service == "s3":
        return 400, {"Content-Type": "application/xml"}, f"<Error>{text}</Error>".encode()
    whole = f"<ErrorResponse><Error><Type>Sender</Type>{text}</Error></ErrorResponse>"
    return 400, {"Content-Type": "text/xml"}, whole.encode()
