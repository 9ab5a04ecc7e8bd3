"""Clients of the sandbox: the aws command, boto3's paginators, and the variables `dropbatch sandbox` prints."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dropbatch.cli.main import cli
from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.clients import command_environment, exports
from tests.sandbox.batch_stack import BatchStack
from tests.sandbox.conftest import Client

ROOT = Path(__file__).parents[2]
Aws = Callable[..., Any]


@pytest.fixture
def command(sandbox: Sandbox, tmp_path: Path) -> Aws:
    """Runs the aws command, pinned with the other tools of the tests, with a user's own settings."""
    program = shutil.which("aws", path=str(Path(sys.executable).parent))
    assert program, "awscli is pinned in requirements-dev.txt: run `make test`, which installs it"
    caller = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "x"}
    environ = command_environment(sandbox.environ(), caller)

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, program, *arguments, "--output", "json"],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    return run


def test_the_aws_command_submits_describes_lists_and_terminates_jobs(
    sandbox: Sandbox, aws: Client, command: Aws
) -> None:
    stack = BatchStack(sandbox, aws)
    overrides = json.dumps({"command": ["sleep", "600"]})

    job = command(
        *("batch", "submit-job", "--job-name", "by-hand", "--job-queue", stack.name),
        *("--job-definition", stack.name, "--container-overrides", overrides),
    )["jobId"]
    stack.until(job, "RUNNING")
    (listed,) = command("batch", "list-jobs", "--job-queue", stack.name)["jobSummaryList"]
    command("batch", "terminate-job", "--job-id", job, "--reason", "enough")
    stack.until(job, "FAILED")
    (described,) = command("batch", "describe-jobs", "--jobs", job)["jobs"]

    assert (listed["jobId"], listed["status"]) == (job, "RUNNING")
    assert (described["status"], described["statusReason"]) == ("FAILED", "enough")


def test_boto3_pages_through_each_result_once(sandbox: Sandbox, aws: Client) -> None:
    stack = BatchStack(sandbox, aws)
    sandbox.control({"fault": "no-capacity", "queue": stack.name})
    parent = stack.submit("true", arrayProperties={"size": 25})
    alone = {stack.submit("true") for _ in range(7)}
    for _ in range(4):
        stack.define()
    batch = stack.batch

    def paged(operation: str, key: str, **request: Any) -> list[Any]:
        pages = batch.get_paginator(operation).paginate(**request, PaginationConfig={"PageSize": 3})
        return [each for page in pages for each in page[key]]

    by_name = {"filters": [{"name": "JOB_NAME", "values": ["job"]}]}
    listed = [each["jobId"] for each in paged("list_jobs", "jobSummaryList", jobQueue=stack.name, **by_name)]
    stack.until(f"{parent}:24", "RUNNABLE")
    children = [each["jobId"] for each in paged("list_jobs", "jobSummaryList", arrayJobId=parent, jobStatus="RUNNABLE")]
    revisions = paged("describe_job_definitions", "jobDefinitions", jobDefinitionName=stack.name)
    queues = paged("describe_job_queues", "jobQueues")
    environments = paged("describe_compute_environments", "computeEnvironments")
    sandbox.control({"clear": True})

    assert len(listed) == len(set(listed)) == 8
    assert set(listed) == alone | {parent}
    assert sorted(children) == sorted(f"{parent}:{index}" for index in range(25))
    assert sorted(each["revision"] for each in revisions) == [1, 2, 3, 4, 5]
    assert stack.name in {each["jobQueueName"] for each in queues}
    assert stack.name in {each["computeEnvironmentName"] for each in environments}


def test_the_shell_setup_removes_conflicting_settings() -> None:
    caller = {"AWS_PROFILE": "work", "AWS_ENDPOINT_URL_S3": "https://elsewhere", "HTTP_PROXY": "p", "NO_PROXY": "a"}
    sandbox = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}

    unset, variables = exports(sandbox, caller)

    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"} <= set(unset)
    assert set(variables["NO_PROXY"].split(",")) == {"a", "127.0.0.1", "localhost"}
    assert command_environment(sandbox, {"PATH": "p", **caller}) == {"PATH": "p", "HTTP_PROXY": "p", **variables}


def test_a_command_run_by_exec_reaches_the_sandbox(sandbox: Sandbox) -> None:
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"

    done = subprocess.run(
        [sys.executable, "-m", "dropbatch.cli", "sandbox", "exec", "--", sys.executable, "-c", program],
        cwd=sandbox.layout.directory.parents[1],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "AWS_PROFILE": "work"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "000000000000\n", done.stderr


def test_the_printed_environment_leads_clients_to_the_sandbox(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sandbox.layout.directory.parents[1])
    text = CliRunner().invoke(cli, ["sandbox", "env"]).stdout

    done = subprocess.run(
        ["sh", "-c", f'{text}\necho "$AWS_PROFILE|$AWS_ENDPOINT_URL"'],
        env={"PATH": os.environ["PATH"], "AWS_PROFILE": "work"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"|{sandbox.environ()['AWS_ENDPOINT_URL']}\n"


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "events").glob("*.json")), ids=lambda path: path.stem)
def test_sample_events_are_json_with_known_placeholders(path: Path) -> None:
    text = path.read_text()

    for name in ("region", "environment", "input_bucket", "group", "pipeline", "queue"):
        text = text.replace(f"{{{{{name}}}}}", "x")

    assert "{{" not in text
    assert isinstance(json.loads(text), dict)
