"""How long ``python main.py`` takes with the lazy provider import, against the ordinary import in the same run.

Both synthesize every environment into a folder of their own. Exit code 1 when lazy takes more than 3 s, or is not at
least 3 times as fast.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 3.0
LEAST_RATIO = 3.0

LAZY = ["main.py"]
ORDINARY = ["-c", "import cdktf_cdktf_provider_aws, runpy; runpy.run_path('main.py', run_name='__main__')"]


def measure(arguments: list[str], times: int) -> list[float]:
    """Wall seconds of each of several runs, after one that fills caches."""
    env = {**os.environ, "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
    taken = []
    with tempfile.TemporaryDirectory(prefix="dropbatch-bench-") as folder:
        for number in range(times + 1):
            env["CDKTF_OUTDIR"] = f"{folder}/{number}"
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, check=True)
            taken.append(time.perf_counter() - began)
    return taken[1:]


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="runs of the lazy import (5); the ordinary gets half")
    times = parser.parse_args().times
    medians = {}
    for name, arguments, runs in (("lazy", LAZY, times), ("ordinary", ORDINARY, max(1, times // 2))):
        taken = measure(arguments, runs)
        medians[name] = statistics.median(taken)
        spread = ", ".join(f"{each:.2f}" for each in taken)
        print(f"{name:9} {medians[name]:6.2f} s  (median of {spread})", flush=True)
    ratio = medians["ordinary"] / medians["lazy"]
    good = medians["lazy"] <= LIMIT_SECONDS and ratio >= LEAST_RATIO
    print(
        f"ratio     {ratio:6.1f} ×  (at least {LEAST_RATIO:.0f}; lazy at most {LIMIT_SECONDS:.0f} s): "
        f"{'holds' if good else 'MISSED'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
