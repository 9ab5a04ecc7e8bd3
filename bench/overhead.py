"""`make bench-overhead`: seconds that `dropbatch-run` adds to a program that does nothing, imports included.

Beside them its CPU seconds, which say more on a busy machine: the promise is for one that has nothing else to do.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import boto3

from dropbatch.contract.manifest import Manifest, RunSpec
from dropbatch.sandbox import Sandbox

REGION, BUCKET = "eu-central-1", "bench-overhead"
ROUNDS, MOST_SECONDS = 15, 0.6


def main() -> int:
    """Print the medians, and return 1 if the target is missed."""
    with tempfile.TemporaryDirectory(prefix="bench-overhead-") as folder:
        sandbox = Sandbox(Path(folder), REGION)
        sandbox.up()
        try:
            env = {"PATH": "/usr/bin:/bin", **sandbox.environ()}
            bare = median(cost(["true"], env)[0] for _ in range(ROUNDS))
            run = [sys.executable, "-m", "dropbatch.runtime", "--", "true"]
            costs = [cost(run, env | prepared(env, number)) for number in range(ROUNDS)]
            around, cpu = (median(values) for values in zip(*costs, strict=True))
        finally:
            sandbox.down()
    held = around - bare <= MOST_SECONDS
    print(
        f"true: {bare:.3f} s; dropbatch-run -- true: {around:.3f} s; overhead {around - bare:.3f} s, CPU {cpu:.3f} s "
        f"(at most {MOST_SECONDS}): {'held' if held else 'NOT HELD'}"
    )
    return 0 if held else 1


def prepared(env: dict[str, str], number: int) -> dict[str, str]:
    """Create input and manifest of a run."""
    s3: Any = boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=REGION,
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )
    if number == 0:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=BUCKET, Key="lab/p/file", Body=b"text")["VersionId"]
    run_id = f"r-{number:020x}"
    spec = RunSpec(
        run_id=run_id,
        attempt=1,
        group="lab",
        pipeline="p",
        bucket=BUCKET,
        key="lab/p/file",
        version_id=version,
        size=4,
        output=f"lab/p/file/{run_id}/",
    )
    key = f"_dropbatch/manifests/lab/p/{number}.json"
    s3.put_object(Bucket=BUCKET, Key=key, Body=Manifest(job_name=str(number), runs=(spec,)).to_json().encode())
    return {"DROPBATCH_MANIFEST": f"s3://{BUCKET}/{key}", "AWS_BATCH_JOB_ID": f"job-{number}"}


def cost(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Run a command that must succeed, and return its seconds and CPU seconds."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    taken, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, json.dumps(done.stderr)
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
