"""ASGI middleware in front of MiniStack.

It refuses three kinds of requests that MiniStack accepts: requests to a host name other than this machine's (a web page
could send them), administration calls, and unsigned requests, which S3 would serve to anybody as the account's owner.
It also serves the sandbox's own endpoints, truncates responses lost by an injected fault, and unifies the errors about
unsupported calls.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from dropbatch.sandbox.batch.api import LOST
from dropbatch.sandbox.batch.credential_endpoint import PATH as CREDENTIALS
from dropbatch.sandbox.batch.credential_endpoint import CredentialEndpoint
from dropbatch.sandbox.control import PATH, Control
from dropbatch.sandbox.unsupported import rewording

__all__ = ["Middleware"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_STATUS = "/_dropbatch/status"
_ADMINISTRATION = ("/_ministack", "/_localstack")
_NAMES = {"127.0.0.1", "localhost"}


class Middleware:
    """ASGI application that wraps MiniStack's."""

    def __init__(
        self,
        app: App,
        *,
        status: Callable[[], dict[str, Any]],
        control: Control,
        credential_endpoint: CredentialEndpoint,
        on_first_request: Callable[[], None],
        on_shutdown: Callable[[], None],
    ) -> None:
        """`on_first_request` runs when the port is known to be open, `on_shutdown` before state is saved."""
        self._app = app
        self._status = status
        self._control = control
        self._credential_endpoint = credential_endpoint
        self._on_first_request = on_first_request
        self._on_shutdown = on_shutdown
        self._requested = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the server's lifespan events."""
        if scope["type"] == "lifespan":
            await self._app(scope, self._watching(receive), send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    def _watching(self, receive: Receive) -> Receive:
        async def watched() -> MutableMapping[str, Any]:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._on_shutdown()
            return message

        return watched

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._requested:
            self._requested = True
            self._on_first_request()
        headers = {name.lower(): value for name, value in scope["headers"]}
        path = scope["path"]
        if _host(headers) not in _NAMES:
            await _refuse(send, "requests must be addressed to 127.0.0.1 or localhost")
        elif path == _STATUS:
            await _answer(send, 200, "application/json", json.dumps(self._status()).encode())
        elif path == PATH:
            answered, answer = self._control.answer(
                scope["method"], headers.get(b"authorization", b""), await _body(receive)
            )
            await _answer(send, answered, "application/json", json.dumps(answer).encode())
        elif path.startswith(CREDENTIALS):
            answered, answer = self._credential_endpoint.answer(
                path.removeprefix(CREDENTIALS), headers.get(b"authorization", b"")
            )
            await _answer(send, answered, "application/json", json.dumps(answer).encode())
        elif path.startswith(_ADMINISTRATION):
            await _refuse(send, "administration calls of MiniStack are closed in the sandbox")
        elif not _signed(headers, scope["query_string"]):
            await _refuse(send, "unsigned requests are refused in the sandbox")
        else:
            await self._app(scope, receive, _losing(rewording(send, scope["method"], path, headers)))


def _host(headers: dict[bytes, bytes]) -> str:
    return headers.get(b"host", b"").decode("latin-1").rpartition(":")[0].lower()


def _signed(headers: dict[bytes, bytes], query: bytes) -> bool:
    return (
        headers.get(b"authorization", b"").startswith(b"AWS") or b"X-Amz-Signature=" in query or b"Signature=" in query
    )


def _losing(send: Send) -> Send:
    """Return `send` that truncates a response marked as lost after its first byte, like a failed connection."""
    lost = False

    async def sending(message: MutableMapping[str, Any]) -> None:
        nonlocal lost
        if message["type"] == "http.response.start":
            lost = any(name.lower() == LOST.encode() for name, _ in message["headers"])
            await send(message)
        elif lost:
            await send({"type": "http.response.body", "body": message.get("body", b"")[:1], "more_body": True})
        else:
            await send(message)

    return sending


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


async def _refuse(send: Send, reason: str) -> None:
    body = f"<Error><Code>AccessDenied</Code><Message>{reason}</Message></Error>".encode()
    await _answer(send, 403, "application/xml", body)


async def _answer(send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
