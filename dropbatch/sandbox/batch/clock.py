"""The time Batch lives by, so that tests can give it another one."""

import time
from threading import Condition

__all__ = ["Clock"]


class Clock:
    """Real time. `speed` makes a second of Batch's time pass in ``1 / speed`` seconds."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._epoch = time.time()
        self._start = time.monotonic()

    def now(self) -> float:
        """Seconds since 1970."""
        return self._epoch + (time.monotonic() - self._start) * self.speed

    def now_ms(self) -> int:
        """Milliseconds since 1970, the unit of Batch's API."""
        return int(self.now() * 1000)

    def wait(self, condition: Condition, seconds: float | None) -> None:
        """Wait on `condition`, which the caller holds, for at most `seconds` of this clock."""
        condition.wait(None if seconds is None else max(0.0, seconds) / self.speed)
