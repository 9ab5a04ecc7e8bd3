"""A wrap of hypercorn, MiniStack's HTTP server."""

from typing import Any

from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_split_answers"]


def wrap_split_answers() -> None:
    """The head of an answer is sent before its body, and Go's clients lose such answers at times: send both at once.

    The AWS SDK for Go closes the request's body as soon as it sees a head. If the goroutine that sent this body has
    not looked at its end yet (the sandbox answers within a millisecond, AWS never does), it takes that for a failure
    and closes the connection, and the answer's body can no longer be read: "use of closed network connection". The
    call was carried out, the SDK repeats it, and what cannot be done twice fails. What came with the head is safe.
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
