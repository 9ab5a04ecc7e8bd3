"""What each share of a queue has used: the vCPUs it runs on now, and those of the past, the less the longer ago.

AWS adds up the vCPU seconds of a window, with more weight on what ran last, and does not say how. Here the past is
an average of vCPUs that decays exponentially, with the window (``shareDecaySeconds``, at least 600 s) as its time.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Shares"]

_LEAST_WINDOW = 600.0


@dataclass
class _Use:
    running: float = 0.0
    average: float = 0.0
    since: float = 0.0
    """When the two were last brought up to date."""
    ended: float = -math.inf
    """When the last of its jobs ended."""


class Shares:
    """Use by queue and share; `now` gives Batch's time in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._uses: dict[str, dict[str, _Use]] = {}

    def add(self, queue: str, share: str, vcpus: float, decay_seconds: float) -> None:
        """A job of this share began, or with negative `vcpus` ended."""
        use = self._uses.setdefault(queue, {}).setdefault(share, _Use())
        use.average = self._average(use, decay_seconds)
        use.since = self._now()
        use.running += vcpus
        if vcpus < 0:
            use.ended = use.since

    def use(self, queue: str, share: str, decay_seconds: float) -> float:
        """VCPUs, those of the past included."""
        use = self._uses.get(queue, {}).get(share)
        return use.running + self._average(use, decay_seconds) if use else 0.0

    def running(self, queue: str) -> float:
        """VCPUs in use by all shares of a queue."""
        return sum(use.running for use in self._uses.get(queue, {}).values())

    def active(self, queue: str, decay_seconds: float) -> Iterator[str]:
        """Shares that have jobs running, or had until less than the window ago."""
        oldest = self._now() - max(decay_seconds, _LEAST_WINDOW)
        return (share for share, use in self._uses.get(queue, {}).items() if use.running or use.ended > oldest)

    def _average(self, use: _Use, decay_seconds: float) -> float:
        left = math.exp((use.since - self._now()) / max(decay_seconds, _LEAST_WINDOW))
        return use.average * left + use.running * (1 - left)
