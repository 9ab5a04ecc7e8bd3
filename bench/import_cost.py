"""What importing the arrival function's handler costs over importing boto3: part of every cold start.

Measured as Lambda imports it: from source, since a function's package brings no bytecode and its directory takes none,
while boto3 comes with Lambda's own image, compiled.
"""

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAIRS = 21
TARGET_MS = 20.0
# What botocore loads with its first client is boto3's cost as well, whoever asks for it.
BASE = "import boto3, botocore.config, botocore.exceptions"
HANDLER = f"{BASE}; import lambdas.arrival.handler"


def seconds(code: str, root: Path) -> float:
    """CPU seconds that an interpreter in a directory needs for some imports, itself included."""
    before = _spent_by_children()
    subprocess.run([sys.executable, "-B", "-c", code], cwd=root, check=True)
    return _spent_by_children() - before


def _spent_by_children() -> float:
    # Finer than `os.times`, which counts in hundredths of a second.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def unpacked(root: Path) -> None:
    """The function's code as its package brings it."""
    for folder in ("lambdas", "dropbatch/contract"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dropbatch" / "__init__.py", root / "dropbatch")


def main() -> int:
    """Measure in pairs, print the median difference; returns 1 when it is over the target."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        unpacked(root)
        for code in (BASE, HANDLER):
            seconds(code, root)  # fills the caches
        pairs = [(seconds(BASE, root), seconds(HANDLER, root)) for _ in range(PAIRS)]
    base = statistics.median(first for first, _ in pairs) * 1000
    more = statistics.median(second - first for first, second in pairs) * 1000
    print(f"import boto3              {base:6.0f} ms CPU (median of {PAIRS})")
    print(f"and the arrival handler  +{more:6.1f} ms CPU (target ≤ {TARGET_MS:.0f})")
    print(f"ratio                     {(base + more) / base:6.2f} ×  (took {time.perf_counter() - began:.0f} s)")
    return int(more > TARGET_MS)


if __name__ == "__main__":
    sys.exit(main())
