"""Measure the peak memory of the program and its child processes."""

import os
import resource
import sys
import threading
from pathlib import Path

__all__ = ["MemorySampler"]

_FIRST_SECONDS = 0.01
_LONGEST_SECONDS = 0.5
_MIB = 1024 * 1024


class MemorySampler:
    """Samples the memory of a process group in a thread.

    The kernel's figure (``ru_maxrss``) is that of the largest single process, and at least the memory of the parent at
    the fork. So the peak of several processes, or of a small program, must be sampled. Without ``/proc`` only the
    kernel's figure is available.
    """

    def __init__(self, group: int) -> None:
        self._group = group
        self._floor_bytes = _max_rss_bytes(resource.getrusage(resource.RUSAGE_SELF))
        self._peak_bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._thread.start()

    def stop(self, usage: resource.struct_rusage) -> float:
        """End sampling; return the peak memory in MiB. `usage` is the kernel's figures of the ended program."""
        self._done.set()
        self._thread.join()
        kernel = _max_rss_bytes(usage)
        known = kernel if kernel > self._floor_bytes or not self._peak_bytes else 0
        return round(max(self._peak_bytes, known) / _MIB, 1)

    def _run(self) -> None:
        pause = _FIRST_SECONDS
        while True:
            self._peak_bytes = max(self._peak_bytes, _group_rss_bytes(self._group))
            if self._done.wait(pause):
                return
            pause = min(pause * 1.5, _LONGEST_SECONDS)


def _max_rss_bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _group_rss_bytes(group: int) -> int:
    """Current resident memory of all processes of a group; shared pages count once for each process."""
    total = 0
    try:
        names = os.listdir("/proc")
    except OSError:
        return 0
    for name in names:
        if not name.isdigit():
            continue
        try:
            text = Path("/proc", name, "stat").read_text("utf-8", "replace")
        except OSError:
            continue  # ended meanwhile
        # The second field is the program's name in brackets, which may itself contain brackets and spaces.
        fields = text.rpartition(")")[2].split()
        if int(fields[2]) == group:
            total += int(fields[21]) * resource.getpagesize()
    return total
