import json
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from dropbatch.sandbox import Sandbox
from tests.sandbox.batch_stack import BatchStack, Client, allow, trust
from tests.sandbox.batch_world import eventually

PRINT_ENVIRONMENT = """#!/usr/bin/env python3
import json, os
print(json.dumps(dict(os.environ)))
"""
WHO_AM_I = """#!/usr/bin/env python3
import boto3
print(boto3.client("sts").get_caller_identity()["Arn"])
print(boto3.client("s3").get_object(Bucket="{bucket}", Key="{key}")["Body"].read().decode())
"""


@pytest.fixture
def stack(sandbox: Sandbox, aws: Client) -> BatchStack:
    return BatchStack(sandbox, aws)


def test_a_program_of_the_image_sees_only_the_environment_of_its_job(
    stack: BatchStack,
) -> None:
    stack.program("show", PRINT_ENVIRONMENT)

    job = stack.run("show", containerOverrides={"environment": [{"name": "FROM_OVERRIDE", "value": "ü 1"}]})
    (line,) = stack.lines(job)
    seen = json.loads(line)

    assert (seen["FROM_DEFINITION"], seen["FROM_OVERRIDE"]) == ("yes", "ü 1")
    assert seen["AWS_BATCH_JOB_ID"] == job["jobId"]
    assert (seen["AWS_BATCH_JOB_ATTEMPT"], seen["AWS_BATCH_JQ_NAME"], seen["AWS_BATCH_CE_NAME"]) == (
        "1",
        stack.name,
        stack.name,
    )
    assert "AWS_BATCH_JOB_ARRAY_INDEX" not in seen
    assert seen["AWS_ENDPOINT_URL"] == stack.sandbox.status().url
    assert not set(seen) & {"AWS_CONFIG_FILE", "AWS_PROFILE", "PYTHONPATH", "DROPBATCH_SANDBOX_DIR", "USER"}
    assert stack.sandbox.environ()["AWS_SECRET_ACCESS_KEY"] not in seen.values()
    assert not Path(seen["HOME"]).exists()


def test_a_job_has_exactly_the_rights_of_its_role(stack: BatchStack, aws: Client) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket=stack.name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for key in ("mine/a", "theirs/b"):
        s3.put_object(Bucket=stack.name, Key=key, Body=key.encode())
    policy = allow({"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{stack.name}/mine/*"})
    stack.iam.put_role_policy(RoleName=stack.name, PolicyName="p", PolicyDocument=policy)
    stack.program("mine", WHO_AM_I.format(bucket=stack.name, key="mine/a"))
    stack.program("theirs", WHO_AM_I.format(bucket=stack.name, key="theirs/b"))

    allowed, denied = stack.run("mine"), stack.run("theirs")

    task = allowed["container"]["taskArn"].rpartition("/")[2]
    assert stack.lines(allowed) == [f"arn:aws:sts::000000000000:assumed-role/{stack.name}/{task}", "mine/a"]
    assert denied["status"] == "FAILED"
    assert "AccessDenied" in stack.lines(denied)[-1]


def test_credentials_of_an_ended_job_are_refused(stack: BatchStack, aws: Client) -> None:
    stack.program("show", PRINT_ENVIRONMENT)
    seen = json.loads(stack.lines(stack.run("show"))[0])
    credentials = {
        "AccessKeyId": seen["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": seen["AWS_SECRET_ACCESS_KEY"],
        "SessionToken": seen["AWS_SESSION_TOKEN"],
    }

    with pytest.raises(ClientError, match="security token"):
        aws("sts", credentials).get_caller_identity()


@pytest.mark.parametrize("trusted", ["lambda.amazonaws.com", None])
def test_a_role_that_tasks_cannot_assume_fails_the_job_as_on_ecs(stack: BatchStack, trusted: str | None) -> None:
    role = f"{stack.name}-{'other' if trusted else 'missing'}"
    if trusted:
        stack.iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust(trusted))
    definition = stack.define(jobRoleArn=f"arn:aws:iam::000000000000:role/{role}")

    job = stack.run("true", jobDefinition=definition)

    assert job["status"] == "FAILED"
    assert job["statusReason"].startswith("ECS was unable to assume the role")


def test_both_streams_are_logged_in_order_under_the_stream_name_of_batch(
    stack: BatchStack,
) -> None:
    job = stack.run("sh", "-c", "echo one; echo two >&2; printf three")

    assert stack.lines(job) == ["one", "two", "three"]
    task = job["container"]["taskArn"].rpartition("/")[2]
    assert job["container"]["logStreamName"] == f"lab/count/default/{task}"


def test_a_printed_line_is_in_the_log_before_the_job_ends(stack: BatchStack) -> None:
    job_id = stack.submit("sh", "-c", "echo early; sleep 60")
    job = stack.until(job_id, "RUNNING")

    eventually(lambda: stack.lines(job) == ["early"])

    stack.batch.terminate_job(jobId=job_id, reason="seen")
    stack.until(job_id, "FAILED")


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_the_exit_code_of_a_job_is_that_of_its_container(stack: BatchStack, command: str, code: int) -> None:
    job = stack.run("sh", "-c", command)

    assert job["container"]["exitCode"] == code
    assert job["status"] == ("FAILED" if code else "SUCCEEDED")


def test_a_missing_image_cannot_be_pulled(stack: BatchStack) -> None:
    job = stack.run("true", jobDefinition=stack.define(image="somewhere/else:unknown"))

    assert job["status"] == "FAILED"
    assert job["statusReason"].startswith("CannotPullContainerError: ")
    assert job["container"]["reason"].startswith("CannotPullContainerError: ")  # what retry rules look at


def test_a_missing_program_cannot_start(stack: BatchStack) -> None:
    job = stack.run("no-such-program")

    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert "executable file not found" in job["container"]["reason"]


def note_base(stack: BatchStack, base: str) -> None:
    (stack.snapshot / "base").write_text(base)


@pytest.mark.parametrize(("base", "around"), [("", ""), ("lab/align:1.2", ", and of its base lab/align:1.2 ")])
def test_a_program_that_only_the_image_has_names_the_runner_that_has_it(
    stack: BatchStack, base: str, around: str
) -> None:
    if base:
        note_base(stack, base)

    job = stack.run("dropbatch-run", "--", "no-such-aligner", "{input}")

    assert job["status"] == "FAILED"
    reason = job["container"]["reason"]
    assert reason.startswith("CannotStartContainerError: the sandbox's process runner has no program 'no-such-aligner'")
    assert f"nor on this machine{around}" in reason
    assert "`dropbatch sandbox up --runner container`" in reason


def test_an_unexecutable_program_cannot_start_and_leaves_nothing(
    stack: BatchStack,
) -> None:
    stack.program("broken", "no shebang, and no program either\0")
    before = set(stack.sandbox.layout.scratch.iterdir())

    job = stack.run("broken")

    assert job["container"]["reason"].startswith("CannotStartContainerError: ")
    assert set(stack.sandbox.layout.scratch.iterdir()) == before


def test_a_missing_log_group_prevents_the_start(stack: BatchStack) -> None:
    options = {"awslogs-group": "/nowhere", "awslogs-stream-prefix": "p"}

    job = stack.run("true", jobDefinition=stack.define(logConfiguration={"logDriver": "awslogs", "options": options}))

    assert "The specified log group does not exist: /nowhere" in job["container"]["reason"]


def test_an_ended_job_takes_its_child_processes_with_it(stack: BatchStack) -> None:
    job = stack.run("sh", "-c", "sleep 300 & echo $!")

    (child,) = stack.lines(job)
    eventually(lambda: not Path(f"/proc/{child}").exists() if Path("/proc/self").exists() else True)
    assert job["status"] == "SUCCEEDED"


def test_a_terminated_program_handles_the_signal(stack: BatchStack) -> None:
    job_id = stack.submit("sh", "-c", "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.05; done")
    job = stack.until(job_id, "RUNNING")
    eventually(lambda: stack.lines(job) == ["ready"])

    stack.batch.terminate_job(jobId=job_id, reason="enough")
    job = stack.until(job_id, "FAILED")

    assert stack.lines(job) == ["ready", "told"]
    assert (job["container"]["exitCode"], job["statusReason"]) == (5, "enough")


def test_each_child_of_an_array_knows_its_index(stack: BatchStack) -> None:
    parent = stack.run("sh", "-c", "echo $AWS_BATCH_JOB_ARRAY_INDEX", arrayProperties={"size": 3})

    assert parent["status"] == "SUCCEEDED"
    for index in range(3):
        assert stack.lines(stack.job(f"{parent['jobId']}:{index}")) == [str(index)]


def test_an_ended_job_leaves_no_scratch_directory(stack: BatchStack) -> None:
    job = stack.run("sh", "-c", "echo x > file; pwd")

    (directory,) = stack.lines(job)
    assert directory.startswith(str(stack.sandbox.layout.scratch))
    assert not os.path.lexists(directory)


@pytest.mark.parametrize("base", ["", "lab/align:1.2"])
def test_dropbatch_run_starts_the_runtime_of_the_image(stack: BatchStack, base: str) -> None:
    """This also holds for a wrapping image, when this machine has the program."""
    if base:
        note_base(stack, base)
    package = stack.snapshot / "opt" / "dropbatch" / "dropbatch" / "runtime"
    package.mkdir()
    (package.parent / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; print('runtime of the image', sys.argv[1:])")

    job = stack.run("dropbatch-run", "--", "cat", "{input}")

    assert stack.lines(job) == ["runtime of the image ['--', 'cat', '{input}']"]
