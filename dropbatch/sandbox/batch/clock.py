"""Clock of the sandbox's Batch; tests can speed it up."""

import time
from threading import Condition

__all__ = ["Clock"]


class Clock:
    """A clock with adjustable speed: at speed 60, one minute of Batch's time takes one second."""

    def __init__(self, speed: float = 1.0) -> None:
        # One tuple, so that updates are atomic: (speed, time of the change, its monotonic time).
        self._course = (speed, time.time(), time.monotonic())

    @property
    def speed(self) -> float:
        """Seconds of this clock per real second."""
        return self._course[0]

    def set_speed(self, speed: float) -> None:
        """Change the speed from now on; the caller then wakes the threads that wait on this clock."""
        self._course = (speed, self.now(), time.monotonic())

    def now(self) -> float:
        """Seconds since 1970."""
        speed, epoch, start = self._course
        return epoch + (time.monotonic() - start) * speed

    def now_ms(self) -> int:
        """Milliseconds since 1970, the unit of Batch's API."""
        return int(self.now() * 1000)

    def wait(self, condition: Condition, seconds: float | None) -> None:
        """Wait on `condition`, held by the caller, for at most `seconds` of this clock."""
        condition.wait(None if seconds is None else max(0.0, seconds) / self.speed)
