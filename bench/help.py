"""Measure `dropbatch --help` against a Python process that only imports click, in the same run."""

import statistics
import subprocess
import sys
import time

CALLS = 15
GOAL_SECONDS = 0.25
OURS = [sys.executable, "-m", "dropbatch.cli", "--help"]
PEER = [sys.executable, "-c", "import click"]


def seconds(command: list[str]) -> float:
    """Return the duration of one call."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> int:
    """Measure both in turn, so that other load affects both, and return 1 if the target is missed."""
    seconds(OURS)  # byte code is compiled
    pairs = [(seconds(OURS), seconds(PEER)) for _ in range(CALLS)]
    ours, peer = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"dropbatch --help:   {ours:.3f} s (median of {CALLS}, best {min(each for each, _ in pairs):.3f} s)")
    print(f"import click alone: {peer:.3f} s: ours takes {ours / peer:.2f} × as long")
    good = ours <= GOAL_SECONDS
    print(f"goal: at most {GOAL_SECONDS} s: {'held' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
