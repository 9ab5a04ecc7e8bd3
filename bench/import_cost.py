"""Measure the import of the arrival function's handler after boto3, which is part of every cold start.

Measured as Lambda imports it: from source, since a function's package brings no bytecode and its directory takes none,
while boto3 comes with Lambda's own image, compiled.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 31
TARGET_MS = 20.0
# Modules that botocore loads with its first client count as boto3's cost.
CODE = """
import json, time
start = time.process_time()
import boto3, botocore.config, botocore.exceptions
between = time.process_time()
import lambdas.arrival.handler
print(json.dumps([between - start, time.process_time() - between]))
"""


def unpacked(root: Path) -> None:
    """Copy the function's code as its package contains it."""
    for folder in ("lambdas", "dropbatch/contract"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dropbatch" / "__init__.py", root / "dropbatch")


def milliseconds(root: Path) -> tuple[float, float]:
    """Return the CPU time to import boto3, and then the handler, in a new interpreter."""
    done = subprocess.run([sys.executable, "-B", "-c", CODE], cwd=root, check=True, capture_output=True)
    first, second = json.loads(done.stdout)
    return first * 1000, second * 1000


def main() -> int:
    """Print the medians, and return 1 if the handler's is over the target."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        unpacked(root)
        milliseconds(root)  # fills the caches
        found = [milliseconds(root) for _ in range(RUNS)]
    base, more = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"import boto3              {base:6.0f} ms CPU (median of {RUNS})")
    print(f"and the arrival handler  +{more:6.1f} ms CPU (target ≤ {TARGET_MS:.0f})")
    print(f"ratio                     {(base + more) / base:6.2f} ×  (took {time.perf_counter() - began:.0f} s)")
    return int(more > TARGET_MS)


if __name__ == "__main__":
    sys.exit(main())
