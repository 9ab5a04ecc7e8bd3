"""What importing the arrival function's handler costs over importing boto3: part of every cold start."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAIRS = 15
TARGET_MS = 20.0
# What botocore loads with its first client is boto3's cost as well, whoever asks for it.
BASE = "import boto3, botocore.config, botocore.exceptions"
HANDLER = f"{BASE}; import lambdas.arrival.handler"


def seconds(code: str) -> float:
    """CPU seconds that an interpreter needs for some imports, itself included."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> int:
    """Measure in pairs, print the median difference; returns 1 when it is over the target."""
    for code in (BASE, HANDLER):
        seconds(code)  # fills the caches
    began = time.perf_counter()
    pairs = [(seconds(BASE), seconds(HANDLER)) for _ in range(PAIRS)]
    base = statistics.median(first for first, _ in pairs) * 1000
    more = statistics.median(second - first for first, second in pairs) * 1000
    print(f"import boto3              {base:6.0f} ms CPU (median of {PAIRS})")
    print(f"and the arrival handler  +{more:6.1f} ms CPU (target ≤ {TARGET_MS:.0f})")
    print(f"ratio                     {(base + more) / base:6.2f} ×  (took {time.perf_counter() - began:.0f} s)")
    return int(more > TARGET_MS)


if __name__ == "__main__":
    sys.exit(main())
