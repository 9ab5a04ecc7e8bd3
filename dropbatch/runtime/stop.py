"""Handle signals: forward them to a running program, interrupt stage-in and stage-out, and else only store them."""

import contextlib
import os
import signal
from types import FrameType, TracebackType
from typing import Any

from dropbatch.runtime.errors import StoppedError

__all__ = ["Stop"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stop:
    """Context that handles SIGTERM (timeout, Spot notice), SIGINT and SIGHUP. For the main thread only."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """Number of the first signal that arrived."""
        self.phase: str | None = None
        """The phase that a signal interrupts; None while signals must not interrupt."""
        self.group: int | None = None
        """Process group of the running program."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stop":
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise `StoppedError` if a signal arrived while it could not interrupt."""
        if self.signal is not None and self.phase is not None:
            raise StoppedError(self.signal, self.phase)

    def forward(self, number: int) -> None:
        """Send a signal to the program's process group, if there is one."""
        if self.group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.group, number)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        first = self.signal is None
        if first:
            self.signal = number
        if self.group is not None:
            self.forward(number)
        elif first and self.phase is not None:
            # Raised only once: a second signal must not interrupt the cleanup after the first one.
            raise StoppedError(number, self.phase)
