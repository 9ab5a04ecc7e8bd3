"""Use of each share of a queue: current vCPUs plus past vCPUs with decaying weight.

AWS sums the vCPU seconds of a window, with more weight on recent ones, and does not document the formula. Here past
use is an exponentially decaying average of vCPUs; its time constant is ``shareDecaySeconds``, at least 600 s.
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
        """Count a job of this share that began; negative `vcpus` count one that ended."""
        use = self._uses.setdefault(queue, {}).setdefault(share, _Use())
        use.average = self._average(use, decay_seconds)
        use.since = self._now()
        use.running += vcpus
        if vcpus < 0:
            use.ended = use.since

    def use(self, queue: str, share: str, decay_seconds: float) -> float:
        """Return the share's use in vCPUs, past use included."""
        use = self._uses.get(queue, {}).get(share)
        return use.running + self._average(use, decay_seconds) if use else 0.0

    def running(self, queue: str) -> float:
        """Return the vCPUs in use by all shares of a queue."""
        return sum(use.running for use in self._uses.get(queue, {}).values())

    def active(self, queue: str, decay_seconds: float) -> Iterator[str]:
        """Return the shares that have had running jobs within the window."""
        oldest = self._now() - max(decay_seconds, _LEAST_WINDOW)
        return (share for share, use in self._uses.get(queue, {}).items() if use.running or use.ended > oldest)

    def _average(self, use: _Use, decay_seconds: float) -> float:
        left = math.exp((use.since - self._now()) / max(decay_seconds, _LEAST_WINDOW))
        return use.average * left + use.running * (1 - left)
