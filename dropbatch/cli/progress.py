"""How far an upload or a download is."""

import threading
import time

from dropbatch.cli.text import Reporter, duration, size

__all__ = ["Progress"]

_LIVE_SECONDS, _PLAIN_SECONDS = 0.2, 5.0


class Progress:
    """Counts bytes from several threads, and tells of them now and then; a line in a log is dearer than on a screen."""

    def __init__(self, voice: Reporter, doing: str, total: int, *, live: bool, before: str = "") -> None:
        """`doing` is such as ``uploading 3 files``, `before` what is done to their bytes first; `total` in bytes."""
        self._voice = voice
        self._doing = doing
        self._before = before
        self._total = total
        self._pause = _LIVE_SECONDS if live else _PLAIN_SECONDS
        self._lock = threading.Lock()
        self._read = self._done = 0
        self._begun = time.monotonic()
        # In a log nothing is said of what is over at once.
        self._last = self._begun - (self._pause if live else 0)

    def read(self, count: int) -> None:
        """So many bytes more were read; told of until the first ones are done."""
        with self._lock:
            self._read += count
            if not self._done:
                self._tell(self._before, self._read)

    def sent(self, count: int) -> None:
        """So many bytes more are done."""
        with self._lock:
            if not self._done:
                self._begun = time.monotonic()
            self._done += count
            self._tell(self._doing, self._done)

    def _tell(self, doing: str, done: int) -> None:
        now = time.monotonic()
        if now - self._last < self._pause:
            return
        self._last = now
        passed = now - self._begun
        rate = done / passed if passed else 0
        left = f", {duration((self._total - done) / rate)} left" if rate and passed > 2 else ""
        self._voice.now(f"{doing}: {size(done)} of {size(self._total)}{left}")
