"""How long ``python main.py`` takes with the lazy provider import, against the ordinary import in the same run.

Both synthesize every environment into a folder of their own. Then a project with one large environment: ten pipelines,
four pools and five groups. Exit code 1 when the lazy import or the large environment takes more than 3 s, or when lazy
is not at least 3 times as fast.

CPU time is told beside: Python and Node work by turns, so that on an idle machine it is what passes, more or less.
"""

import argparse
import os
import resource
import shutil
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


def make_large(folder: Path) -> Path:
    """Create a project with one environment that has ten pipelines, four pools and five groups."""
    project = folder / "project"
    for name in ("constructs_lib", "dropbatch", "image", "lambdas"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "main.py", project / "main.py")
    pools = [f'[compute.pool{number}]\nkind = "spot"\nmax_vcpus = 64\n' for number in range(4)]
    pipelines = [
        f'[pipeline.step{number}]\nimage = "image/wordcount"\ncommand = ["wordcount", "{{input}}"]\n'
        f'pools = ["pool{number % 4}"]\n'
        for number in range(10)
    ]
    groups = [f"[group.lab{number}]\n" for number in range(5)]
    head = '[environment]\nname = "large"\nregion = "eu-central-1"\n[budget]\nmonthly_usd = 50\n'
    (project / "environments").mkdir()
    (project / "environments" / "large.toml").write_text(head + "".join([*pools, *pipelines, *groups]))
    return project


def measure(arguments: list[str], times: int, root: Path = ROOT) -> list[tuple[float, float]]:
    """Return wall and CPU seconds of several runs, after one run that fills caches."""
    env = {**os.environ, "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
    taken = []
    with tempfile.TemporaryDirectory(prefix="dropbatch-bench-") as folder:
        for number in range(times + 1):
            env["CDKTF_OUTDIR"] = f"{folder}/{number}"
            began, worked = time.perf_counter(), cpu_of_children()
            subprocess.run([sys.executable, *arguments], cwd=root, env=env, check=True)
            taken.append((time.perf_counter() - began, cpu_of_children() - worked))
    return taken[1:]


def cpu_of_children() -> float:
    """Return the CPU seconds of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def told(name: str, taken: list[tuple[float, float]]) -> float:
    """Print the medians of wall and CPU seconds, and return the former."""
    walls = [wall for wall, _ in taken]
    wall, cpu = statistics.median(walls), statistics.median(cpu for _, cpu in taken)
    spread = ", ".join(f"{each:.2f}" for each in walls)
    print(f"{name:9} {wall:6.2f} s  ({cpu:.2f} s CPU; median of {spread})", flush=True)
    return wall


def main() -> int:
    """Measure, print, and return 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="runs of the lazy import (5); the ordinary gets half")
    times = parser.parse_args().times
    medians = {}
    for name, arguments, runs in (("lazy", LAZY, times), ("ordinary", ORDINARY, max(1, times // 2))):
        medians[name] = told(name, measure(arguments, runs))
    with tempfile.TemporaryDirectory(prefix="dropbatch-bench-") as folder:
        medians["large"] = told("large", measure(LAZY, times, make_large(Path(folder))))
    ratio = medians["ordinary"] / medians["lazy"]
    good = max(medians["lazy"], medians["large"]) <= LIMIT_SECONDS and ratio >= LEAST_RATIO
    print(
        f"ratio     {ratio:6.1f} ×  (at least {LEAST_RATIO:.0f}; lazy and large at most {LIMIT_SECONDS:.0f} s): "
        f"{'holds' if good else 'MISSED'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
