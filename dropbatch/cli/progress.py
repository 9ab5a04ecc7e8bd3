"""Progress of an upload or a download."""

import threading
import time

from dropbatch.cli.text import Reporter, duration, size

__all__ = ["Progress"]

_LIVE_SECONDS, _PLAIN_SECONDS = 0.2, 5.0


class Progress:
    """Count bytes, also from several threads, and report them: every 0.2 s on a terminal, every 5 s in a log."""

    def __init__(self, reporter: Reporter, doing: str, total: int, *, live: bool, before: str = "") -> None:
        """`doing` names the transfer (``uploading 3 files``), `before` the step before it; `total` is in bytes."""
        self._reporter = reporter
        self._doing = doing
        self._before = before
        self._total = total
        self._pause = _LIVE_SECONDS if live else _PLAIN_SECONDS
        self._lock = threading.Lock()
        self._read = self._done = 0
        self._begun = time.monotonic()
        # In a log, nothing is reported about a transfer that takes less than the interval.
        self._last = self._begun - (self._pause if live else 0)

    def read(self, count: int) -> None:
        """Add bytes that were read; reported until the transfer starts."""
        with self._lock:
            self._read += count
            if not self._done:
                self._report(self._before, self._read)

    def sent(self, count: int) -> None:
        """Add bytes that were transferred."""
        with self._lock:
            if not self._done:
                self._begun = time.monotonic()
            self._done += count
            self._report(self._doing, self._done)

    def _report(self, doing: str, done: int) -> None:
        now = time.monotonic()
        if now - self._last < self._pause:
            return
        self._last = now
        passed = now - self._begun
        rate = done / passed if passed else 0
        left = f", {duration((self._total - done) / rate)} left" if rate and passed > 2 else ""
        self._reporter.now(f"{doing}: {size(done)} of {size(self._total)}{left}")
