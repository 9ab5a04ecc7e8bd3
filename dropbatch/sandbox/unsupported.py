"""Uniform error for calls that MiniStack lacks: ``not supported in the sandbox: <service> <call>``.

MiniStack has a dozen different errors for them, and AWS's clients show an empty message for an unknown service.
"""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

__all__ = ["rewording"]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_CODE = "UnsupportedOperation"
_STATUSES = {400, 501}
_SERVICE = re.compile(r"Credential=[^/,]+/\d+/[^/]+/([^/]+)/")
_NO_SERVICE = re.compile(r"Unsupported service: ")
_NO_CALL = re.compile(
    r"Unknown (?:[\w ]+ )?(?:action|operation): *'?(\w+)"
    r"|Operation '(\w+)' not implemented"
    r"|The action (\w+) is not valid for this endpoint"
    r"|A (header) you provided implies functionality that is not implemented"
)
_XML_MESSAGE = re.compile(r"(?<=<Message>)[^<]*(?=</Message>)")


class _Request(NamedTuple):
    method: str
    path: str
    headers: dict[bytes, bytes]


def rewording(send: Send, method: str, path: str, headers: dict[bytes, bytes]) -> Send:
    """Return `send` that replaces the response to this request if it reports an unknown call."""
    request = _Request(method, path, headers)
    start: Message | None = None
    body = b""

    async def sending(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start" and message["status"] in _STATUSES:
            start = message
        elif start is None:
            await send(message)
        else:
            body += message.get("body", b"")
            if not message.get("more_body"):
                await _send_reworded(send, start, body, request)

    return sending


async def _send_reworded(send: Send, start: Message, body: bytes, request: _Request) -> None:
    text = body.decode(errors="replace")
    found = _NO_CALL.search(text)
    unknown = _NO_SERVICE.search(text)
    replaced: dict[bytes, bytes] = {}
    if found or unknown:
        said = next((each for each in found.groups() if each and each != "header"), None) if found else None
        reason = f"not supported in the sandbox: {_service(request)} {said or _operation(request)}"
        if unknown:
            kind, body = _whole(reason, request)
            replaced = {b"content-type": kind, b"x-amzn-errortype": _CODE.encode()}
        else:
            body = _with_message(text, reason)
        replaced[b"content-length"] = str(len(body)).encode()
    kept = [(name, value) for name, value in start["headers"] if name.lower() not in replaced]
    await send({**start, "headers": [*kept, *replaced.items()]})
    await send({"type": "http.response.body", "body": body})


def _service(request: _Request) -> str:
    match = _SERVICE.search(request.headers.get(b"authorization", b"").decode("latin-1"))
    return match[1] if match else "AWS"


def _operation(request: _Request) -> str:
    target = request.headers.get(b"x-amz-target", b"").decode("latin-1")
    return target.rpartition(".")[2] or f"{request.method} {request.path}"


def _whole(reason: str, request: _Request) -> tuple[bytes, bytes]:
    """Return content type and body of an error, in the protocol of the request."""
    if b"x-www-form-urlencoded" in request.headers.get(b"content-type", b""):
        error = f"<Type>Sender</Type><Code>{_CODE}</Code><Message>{escape(reason)}</Message>"
        return b"text/xml", f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()
    return b"application/x-amz-json-1.1", json.dumps({"__type": _CODE, "message": reason}).encode()


def _with_message(text: str, reason: str) -> bytes:
    """Return the same error with another message."""
    try:
        error = json.loads(text)
    except ValueError:
        return _XML_MESSAGE.sub(lambda _: escape(reason), text).encode()
    for name in ("message", "Message"):
        if isinstance(error, dict) and name in error:
            error[name] = reason
    return json.dumps(error).encode()
