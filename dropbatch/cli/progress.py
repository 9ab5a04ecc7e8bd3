"""How far an upload or a download is."""

import threading
import time

from dropbatch.cli.text import Talk, duration, size

__all__ = ["Progress"]

_LIVE_SECONDS, _PLAIN_SECONDS = 0.2, 5.0


class Progress:
    """Counts bytes from several threads, and tells of them now and then; a line in a log is dearer than on a screen."""

    def __init__(self, voice: Talk, doing: str, total: int, *, live: bool) -> None:
        """`doing` is such as ``uploading 3 files``; `total` in bytes."""
        self._voice = voice
        self._doing = doing
        self._total = total
        self._pause = _LIVE_SECONDS if live else _PLAIN_SECONDS
        self._lock = threading.Lock()
        self._done = 0
        self._begun = time.monotonic()
        # In a log nothing is said of what is over at once.
        self._last = self._begun - (self._pause if live else 0)

    def sent(self, count: int) -> None:
        """So many bytes more are done."""
        with self._lock:
            self._done += count
            now = time.monotonic()
            if now - self._last < self._pause:
                return
            self._last = now
            passed = now - self._begun
            rate = self._done / passed if passed else 0
            left = f", {duration((self._total - self._done) / rate)} left" if rate and passed > 2 else ""
            self._voice.now(f"{self._doing}: {size(self._done)} of {size(self._total)}{left}")
