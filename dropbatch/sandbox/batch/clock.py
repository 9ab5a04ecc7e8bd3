"""The time Batch lives by, so that tests can let it run fast."""

import time
from threading import Condition

__all__ = ["Clock"]


class Clock:
    """Real time until its speed is changed: at speed 60 a minute of Batch's time passes in a second."""

    def __init__(self, speed: float = 1.0) -> None:
        # One tuple, so that a reader never sees half a change: (speed, time of the change, its monotonic time).
        self._course = (speed, time.time(), time.monotonic())

    @property
    def speed(self) -> float:
        """Seconds of this clock per real second."""
        return self._course[0]

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed; wake whoever waits on this clock after it."""
        self._course = (speed, self.now(), time.monotonic())

    def now(self) -> float:
        """Seconds since 1970."""
        speed, epoch, start = self._course
        return epoch + (time.monotonic() - start) * speed

    def now_ms(self) -> int:
        """Milliseconds since 1970, the unit of Batch's API."""
        return int(self.now() * 1000)

    def wait(self, condition: Condition, seconds: float | None) -> None:
        """Wait on `condition`, which the caller holds, for at most `seconds` of this clock."""
        condition.wait(None if seconds is None else max(0.0, seconds) / self.speed)
