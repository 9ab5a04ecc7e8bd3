"""A wrap of hypercorn, MiniStack's HTTP server."""

from typing import Any

from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_split_answers"]


def wrap_split_answers() -> None:
    """Send head and body of a response together: Go clients sometimes lose a body that follows the head.

    The AWS SDK for Go closes the request's body as soon as it receives a head. If its sending goroutine has not reached
    the end of this body (the sandbox answers within a millisecond, AWS never does), the goroutine reports a failure and
    closes the connection, and reading the response fails: "use of closed network connection". The call was executed, so
    the SDK's retry of a call that is not idempotent fails. A body sent with the head is not lost.
    """
    import h11  # noqa: PLC0415 -- MiniStack has to adjust both libraries first
    from hypercorn.events import RawData  # noqa: PLC0415
    from hypercorn.protocol.h11 import H11Protocol  # noqa: PLC0415

    signature = "(self, event: 'H11SendableEvent') -> 'None'"
    expected(H11Protocol, "_send_h11_event", signature)

    async def send_h11_event(self: Any, event: Any) -> None:
        try:
            data = self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response):
            self.head = data
        else:
            head, self.head = getattr(self, "head", b""), b""
            await self.send(RawData(data=head + data))

    H11Protocol._send_h11_event = send_h11_event
