"""The example's image, and one that wraps an image without Python, as containers against the sandbox's S3."""

import os

import pytest

from tests.image.engine import Engine
from tests.runtime.conftest import Cloud, Job, _sandbox, cloud

__all__ = ["_sandbox", "cloud"]

MOST_MIB = 120


def variables(job: Job) -> dict[str, str]:
    """Return a job's environment without variables of this machine."""
    return {name: value for name, value in job.env.items() if name.startswith(("AWS_", "DROPBATCH_"))} | {
        "AWS_CONFIG_FILE": "/dev/null"
    }


@pytest.mark.parametrize("image", ["wordcount", "around"])
def test_a_container_completes_a_run(request: pytest.FixtureRequest, engine: Engine, cloud: Cloud, image: str):
    tag = request.getfixturevalue(image)
    job = cloud.job(b"one two two\n")
    command = (
        ["wordcount", "{input}", "{output}/counts.txt"] if image == "wordcount" else ["cp", "{input}", "{output}/"]
    )

    ended = engine.run(tag, "dropbatch-run", "--", *command, environ=variables(job))

    assert ended.code == 0, ended.err
    record = job.record
    assert record is not None
    assert record["status"] == "SUCCEEDED"
    assert len(record["outputs"]) == 1
    if image == "wordcount":
        assert b" 3  words\n" in (job.get("counts.txt") or b"")
    else:
        assert job.get("notes.txt") == b"one two two\n"


@pytest.mark.parametrize("image", ["wordcount", "around"])
def test_a_container_without_root_and_with_a_read_only_root_completes_a_run(
    request: pytest.FixtureRequest, engine: Engine, image: str
):
    tag = request.getfixturevalue(image)

    ended = engine.run(
        tag, "sh", "-c", "id -u; touch /x 2>/dev/null || echo read-only; touch /tmp/x && echo scratch", environ={}
    )

    assert ended.out.split() == ["10001", "read-only", "scratch"], ended.err


def test_the_runtime_needs_nothing_of_its_image(engine: Engine, around: str, cloud: Cloud):
    job = cloud.job(b"text")
    hostile = {
        "LD_LIBRARY_PATH": "/usr/lib",
        "PYTHONHOME": "/nowhere",
        "PYTHONPATH": "/nowhere",
        "PATH": "/usr/bin:/bin",
    }

    none = engine.run(around, "sh", "-c", "command -v python3 || echo none", environ={})
    ended = engine.run(around, "/opt/dropbatch/dropbatch-run", "--", "env", environ=variables(job) | hostile)

    assert none.out == "none\n"
    assert ended.code == 0, ended.err
    assert {f"{name}={value}" for name, value in hostile.items()} <= set(ended.out.splitlines()), (
        "the program has them all"
    )


def test_the_runtime_is_small(engine: Engine, around: str):
    ended = engine.run(around, "du", "-sm", "/opt/dropbatch", environ={})

    mib = int(ended.out.split()[0])
    print(f"/opt/dropbatch: {mib} MiB")
    assert mib <= MOST_MIB


CRC = """
import sys
sys.path[:0] = sys.argv[1:]
import boto3
assert "awscrt" not in sys.modules, "boto3 would import it at every start"
from dropbatch.runtime.checksums import _crc64nvme
print(hex(_crc64nvme()(b"123456789", 0)))
"""


@pytest.mark.parametrize(
    ("image", "python", "package"),
    [
        ("wordcount", "python3", "/opt/dropbatch"),
        ("around", "/opt/dropbatch/python/bin/python3", "/opt/dropbatch/app"),
    ],
)
def test_checksums_computed_by_s3_can_be_verified(
    request: pytest.FixtureRequest, engine: Engine, image: str, python: str, package: str
):
    tag = request.getfixturevalue(image)

    ended = engine.run(tag, python, "-IS", "-c", CRC, package, "/opt/dropbatch/site", environ={})

    assert ended.out == "0xae8b14860a799888\n", ended.err


def test_a_failed_program_in_a_container_keeps_its_exit_code(engine: Engine, around: str, cloud: Cloud):
    job = cloud.job()

    ended = engine.run(around, "dropbatch-run", "--", "sh", "-c", "kill -11 $$", environ=variables(job))

    assert ended.code == 139
    assert job.names == ["_log.txt", "_run.json"]


def test_sigterm_reaches_the_program_in_a_container(engine: Engine, around: str, cloud: Cloud):
    job = cloud.job()
    script = "trap 'echo tidying; exit 7' TERM; echo ready; sleep 60 & wait"
    name = f"dropbatch-test-stopped-{os.getpid()}"
    words = [
        "run",
        "--detach",
        "--init=false",
        f"--name={name}",
        "--network=host",
        "--user=10001:10001",
        "--volume=/tmp",
    ]
    env = [f"--env={key}={value}" for key, value in variables(job).items()]
    engine.call("rm", "--force", name, check=False)
    engine.call(*words, *engine.limits, *env, around, "dropbatch-run", "--", "sh", "-c", script)
    try:
        for _ in range(100):
            if "ready" in engine.call("logs", name).stdout:
                break
        engine.call("stop", "--time=25", name)
        code = engine.call("wait", name).stdout.strip()
    finally:
        engine.call("rm", "--force", "--volumes", name, check=False)

    assert code == "7"
    assert (
        job.get("_log.txt")
        == b"ready\ntidying\ndropbatch-run: program: stopped by SIGTERM while sh was running, results are withheld\n"
    )
