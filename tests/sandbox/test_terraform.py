"""The Terraform driver with the real Terraform and the real AWS provider, on a stack of a few quick resources."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dropbatch.sandbox import Sandbox
from dropbatch.sandbox import terraform as driver
from dropbatch.sandbox.errors import TerraformError
from dropbatch.sandbox.terraform import Terraform
from dropbatch.sandbox.terraform_output import ProgressReporter
from tests.sandbox.conftest import Client

Write = Callable[..., Terraform]


def stack(environment: str, *, value: str = "one", weight: float = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "terraform": {
            "required_providers": {"aws": {"source": "aws", "version": "5.100.0"}},
            "backend": {"s3": {"bucket": "never-made", "key": "state", "region": "eu-central-1"}},
        },
        "provider": {"aws": [{"region": "eu-central-1", "allowed_account_ids": ["123456789012"]}]},
        "resource": {
            "aws_ssm_parameter": {"Pointer_0A1B2C3D": {"name": f"/{environment}/p", "type": "String", "value": value}},
            "aws_batch_scheduling_policy": {
                "Fair": {
                    "name": environment,
                    "fair_share_policy": {"share_distribution": [{"share_identifier": "lab", "weight_factor": weight}]},
                }
            },
            "terraform_data": {
                "Push": {
                    "triggers_replace": "1",
                    "provisioner": [
                        {
                            "local-exec": {
                                "command": 'cat "${DROPBATCH_PROJECT_ROOT:-../../..}/hello.txt"'.replace("${", "$${")
                            }
                        }
                    ],
                }
            },
            **more,
        },
        "output": {"name": {"value": "${aws_ssm_parameter.Pointer_0A1B2C3D.name}"}},
    }


@pytest.fixture
def write(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a stack into a project and return a driver for it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:9")  # the user's own settings must not get in the way
    (tmp_path / "hello.txt").write_text("hello from the project\n")
    environment = tmp_path.name.replace("_", "-")[-40:]

    def written(**more: Any) -> Terraform:
        directory = tmp_path / "cdktf.out" / "stacks" / environment
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cdk.tf.json").write_text(json.dumps(stack(environment, **more)))
        return Terraform(tmp_path, environment, sandbox.environ())

    return written


def test_a_stack_is_applied_changed_and_destroyed_without_drift(write: Write, aws: Client) -> None:
    said: list[str] = []
    terraform = write()
    terraform.init(said.append)
    applied = terraform.apply(said.append)

    assert (applied.added, applied.changed, applied.removed) == (3, 0, 0)
    assert any(line.startswith("created aws_ssm_parameter.Pointer") and "0A1B2C3D" not in line for line in said), said
    assert "  hello from the project" in said
    name = terraform.outputs()["name"]
    assert aws("ssm").get_parameter(Name=name)["Parameter"]["Value"] == "one"

    again = write(value="two", weight=2.0)
    quiet: list[str] = []
    again.init(quiet.append)
    assert quiet == []  # nothing to install a second time
    plan = again.plan()
    assert {(change.address, change.actions) for change in plan.changes} == {
        ("aws_ssm_parameter.Pointer_0A1B2C3D", ("update",)),
        ("aws_batch_scheduling_policy.Fair", ("update",)),
    }  # and of what was not changed, none
    assert "value" in next(each for each in plan.changes if "ssm" in each.address).attributes
    assert again.apply().changed == 2

    assert again.destroy().removed == 3
    assert aws("ssm").describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [name]}])["Parameters"] == []


def test_an_error_in_a_stack_says_what_and_where(sandbox: Sandbox, tmp_path: Path) -> None:
    def broken(**resource: Any) -> Terraform:
        """Use Terraform's built-in provider only, which needs no download."""
        stack = {"terraform": {}, "resource": {"terraform_data": {"Bad_0A1B2C3D": resource}}}
        directory = tmp_path / "cdktf.out" / "stacks" / "broken"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cdk.tf.json").write_text(json.dumps(stack))
        return Terraform(tmp_path, "broken", sandbox.environ())

    with pytest.raises(TerraformError, match=r"strange"):
        broken(strange="x").validate()

    command = "echo the reason >&2; exit 3"
    failing = broken(provisioner=[{"local-exec": {"command": command}}])
    failing.validate()
    with pytest.raises(TerraformError, match=r"(?s)terraform apply failed.*at terraform_data\.Bad.*the reason"):
        failing.apply()


def test_an_interrupted_apply_leaves_no_terraform_and_no_provider(write: Write, sandbox: Sandbox) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    terraform = write(aws_sqs_queue={"Slow": {"name": "slow"}})  # the provider waits 25 s for a queue
    terraform.init()

    with pytest.raises(KeyboardInterrupt):
        terraform.apply(lambda line: interrupt(line) if line.startswith("created") else None)

    if sys.platform == "linux":
        mark = str(sandbox.layout.terraform).encode()
        commands = [
            (process / "cmdline").read_bytes()
            for process in Path("/proc").glob("[0-9]*")
            if process.name != str(os.getpid()) and mark in _environ(process)
        ]
        assert not [each for each in commands if b"terraform" in each]


@pytest.mark.parametrize(
    ("begun", "seconds"), [(False, driver._NOTHING_DONE_SECONDS), (True, driver._SAVE_SECONDS)], ids=["not", "begun"]
)
def test_an_interrupted_apply_gets_time_to_save_only_if_it_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bool, seconds: float
) -> None:
    given: list[float] = []

    def end(process: subprocess.Popen[str], seconds: float) -> None:
        given.append(seconds)
        process.kill()

    monkeypatch.setattr(driver, "_end", end)
    terraform = Terraform(tmp_path, "s", {"DROPBATCH_SANDBOX_DIR": str(tmp_path / "sandbox")})
    terraform._stack.mkdir(parents=True)
    start = {"type": "apply_start", "hook": {"resource": {"addr": "a.b"}, "action": "create"}}
    said = f"{json.dumps(start)}\nhello" if begun else "hello"

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        terraform._run(
            ["sh", "-c", f"echo '{said}'; exec sleep 600"], dict(os.environ), ProgressReporter(interrupt, "comparing")
        )

    assert given == [seconds]


def _environ(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def test_a_missing_terraform_is_one_line_with_the_required_version(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(TerraformError, match=r"not on PATH, 1\.11 or newer is required: get it from https://") as error:
        write().init()

    assert "\n" not in str(error.value)


def test_an_old_terraform_is_one_line_with_the_required_version(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "terraform"
    program.write_text('#!/bin/sh\necho \'{"terraform_version": "1.5.7"}\'\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(TerraformError, match=r"found Terraform 1\.5\.7, 1\.11 or newer is required: get it from"):
        write().init()


def test_a_missing_synthesis_names_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(TerraformError, match=r"python main\.py"):
        Terraform(tmp_path, "none", sandbox.environ()).init()
