"""Jobs in real containers. Without an engine these tests are skipped; in continuous integration they fail."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.engine import LABEL
from tests.image import engine as engines
from tests.sandbox.batch_stack import BatchStack
from tests.sandbox.batch_world import eventually
from tests.sandbox.conftest import client_of, sandbox_in


@pytest.fixture(scope="module")
def engine() -> engines.Engine:
    return engines.needed()


@pytest.fixture(scope="module")
def image(engine: engines.Engine) -> str:
    """An image with Python and nothing else."""
    return engine.base()[1]


@pytest.fixture(scope="module")
def containers(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = sandbox_in(tmp_path_factory.mktemp("containers"))
    made.up(runner="container")
    yield made
    made.destroy_state()


@pytest.fixture(scope="module")
def stack(containers: Sandbox) -> BatchStack:
    return BatchStack(containers, client_of(containers))


def left_behind(engine: engines.Engine, sandbox: Sandbox) -> list[str]:
    return engine.call("ps", "--all", "--quiet", f"--filter=label={LABEL}={sandbox.layout.directory}").stdout.split()


def python(stack: BatchStack, image: str, program: str, **container: Any) -> dict[str, Any]:
    return stack.run("python3", "-c", program, jobDefinition=stack.define(image=image, **container))


def test_a_job_has_its_variables_the_keys_of_its_role_and_a_log(stack: BatchStack, image: str) -> None:
    program = """
import json, os, urllib.request, urllib.error
uri = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
keys = json.load(urllib.request.urlopen(urllib.request.Request(uri, headers={"Authorization": token})))
try:
    urllib.request.urlopen(uri)
    open_to_all = True
except urllib.error.HTTPError:
    open_to_all = False
wanted = ("AWS_BATCH_JOB_ID", "AWS_BATCH_JOB_ATTEMPT", "FROM_DEFINITION", "AWS_ENDPOINT_URL")
print(json.dumps([keys["AccessKeyId"][:4], keys["RoleArn"], open_to_all, [os.environ[name] for name in wanted]]))
"""
    job = python(stack, image, program)

    assert job["status"] == "SUCCEEDED", job
    (line,) = stack.lines(job)
    variables = [job["jobId"], "1", "yes", stack.sandbox.environ()["AWS_ENDPOINT_URL"]]
    assert json.loads(line) == ["ASIA", stack.role_arn, False, variables]


def test_a_failed_job_reports_its_exit_code(stack: BatchStack, image: str) -> None:
    job = python(stack, image, "print('so far'); raise SystemExit(7)")

    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 7)
    assert "reason" not in job["container"]
    assert stack.lines(job) == ["so far"]


def test_a_job_that_exceeds_its_memory_is_killed_with_the_reason_of_ecs(stack: BatchStack, image: str) -> None:
    job = python(stack, image, "held = b'x' * (400 << 20); print('survived')")  # 128 MiB were asked for

    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 137)
    assert job["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert stack.lines(job) == []
    assert not (engines.ROOT / "oom").exists(), "podman leaves that where it is called"


def test_a_job_with_a_read_only_root_writes_to_the_mount_only(stack: BatchStack, image: str) -> None:
    program = """
import os
open("/scratch/file", "w").write("kept")
try:
    open("/file", "w")
    print("root is writable")
except OSError as error:
    print(open("/scratch/file").read(), error.strerror, os.getuid())
"""
    job = python(
        stack,
        image,
        program,
        readonlyRootFilesystem=True,
        user="10001:10001",
        volumes=[{"name": "scratch", "host": {"sourcePath": "/mnt/scratch"}}],
        mountPoints=[{"containerPath": "/scratch", "sourceVolume": "scratch", "readOnly": False}],
    )

    assert stack.lines(job) == ["kept Read-only file system 10001"], job
    assert not Path("/mnt/scratch").exists()


@pytest.mark.parametrize(
    ("change", "command", "reason"),
    [
        ({}, "no-such-program", "CannotStartContainerError: "),
        ({"image": "127.0.0.1:9/no/such:image"}, "true", "CannotPullContainerError: "),
    ],
)
def test_a_container_that_cannot_start_gives_the_reason_of_ecs(
    stack: BatchStack, image: str, change: dict[str, Any], command: str, reason: str
) -> None:
    job = stack.run(command, jobDefinition=stack.define(**({"image": image} | change)))

    assert job["status"] == "FAILED"
    assert job["attempts"][0]["container"]["reason"].startswith(reason)
    assert "startedAt" not in job


def test_an_image_that_a_deploy_pushed_is_built_from_its_snapshot(
    stack: BatchStack, image: str, engine: engines.Engine
) -> None:
    stack.program("hello", "#!/bin/sh\necho hello from the image\n")
    stack.program(
        "Dockerfile", f"FROM {image}\nCOPY opt/pipeline /opt/pipeline\nENV PATH=/opt/pipeline:/usr/bin:/bin\n"
    )

    job = stack.run("hello")

    assert stack.lines(job) == ["hello from the image"], job
    engine.call("rmi", f"localhost/dropbatch-sandbox:{stack.name}")


def test_a_wrapping_image_is_built_on_its_base(stack: BatchStack, image: str, engine: engines.Engine) -> None:
    stack.program("hello", "#!/bin/sh\necho hello from around\n")
    stack.program("Dockerfile", "FROM localhost/none-such\n")
    snapshot = stack.sandbox.layout.images / stack.name
    (snapshot / "opt/build").mkdir()
    (snapshot / "opt/build/Dockerfile").write_text(
        "ARG BASE\nFROM ${BASE}\nCOPY opt/pipeline/hello /usr/local/bin/hello\n"
    )
    (snapshot / "base").write_text(image)
    engine.call("rmi", "--force", f"localhost/dropbatch-sandbox:{stack.name}", check=False)

    job = stack.run("hello")

    assert stack.lines(job) == ["hello from around"], job
    engine.call("rmi", f"localhost/dropbatch-sandbox:{stack.name}")


def test_a_terminated_container_is_signalled_and_removed(stack: BatchStack, image: str, engine: engines.Engine) -> None:
    program = (
        "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(3))\nprint('up', flush=True)\ntime.sleep(600)"
    )
    job = stack.submit("python3", "-c", program, jobDefinition=stack.define(image=image))
    stack.until(job, "RUNNING")
    eventually(lambda: stack.lines(stack.job(job)) == ["up"])

    stack.batch.terminate_job(jobId=job, reason="enough")
    ended = stack.until(job, "FAILED")

    assert (ended["statusReason"], ended["container"]["exitCode"]) == ("enough", 3)
    eventually(lambda: not left_behind(engine, stack.sandbox))


def test_a_restart_removes_containers_of_a_killed_sandbox(image: str, engine: engines.Engine, tmp_path: Path) -> None:
    made = sandbox_in(tmp_path)
    made.up(runner="container")
    stack = BatchStack(made, client_of(made))
    job = stack.submit("sleep", "600", jobDefinition=stack.define(image=image))
    stack.until(job, "RUNNING")
    pid = made.status().pid
    assert pid
    assert len(left_behind(engine, made)) == 1

    os.kill(pid, signal.SIGKILL)
    said: list[str] = []
    made.up(said.append)
    after = left_behind(engine, made)
    made.destroy_state()

    assert after == []
    assert any("starts empty" in each for each in said)
