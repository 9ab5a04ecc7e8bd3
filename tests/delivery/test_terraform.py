"""Terraform ends in good order on every signal, with a stub Terraform that records what it receives."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from delivery.errors import DeliveryError
from delivery.terraform import Stack
from tests.e2e.lab import until
from tests.project import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    stack = tmp_path / "cdktf.out/stacks/dev"
    stack.mkdir(parents=True)
    (stack / "cdk.tf.json").write_text("{}")
    program = tmp_path / "bin/terraform"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ntrap "echo interrupted >> {tmp_path}/log; exit 1" INT\n'
        f"echo $1 >> {tmp_path}/log\n[ $1 = plan ] || exit 0\nwhile :; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_each_signal_interrupts_terraform_once(project: Path, sent: signal.Signals) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{project}/bin:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "delivery.plan", "dev"]
    process = subprocess.Popen(command, cwd=project, env=environ, stderr=subprocess.PIPE, text=True, process_group=0)
    log = project / "log"
    until(lambda: True if log.exists() and "plan" in log.read_text() else None, "the plan")

    os.killpg(process.pid, sent)

    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == "error: terraform plan of dev ended with exit code 1: see its output above\n"
    assert log.read_text().split() == ["init", "plan", "interrupted"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_during_the_start_reaches_terraform(
    project: Path, sent: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen

    def start_and_be_interrupted(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        process = start(*args, **kwargs)
        until(lambda: True if (project / "log").exists() else None, "the plan")
        os.kill(os.getpid(), sent)
        return process

    monkeypatch.setenv("PATH", f"{project}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(subprocess, "Popen", start_and_be_interrupted)

    with pytest.raises(DeliveryError, match=r"^terraform plan of dev ended with exit code 1: see its output above$"):
        Stack(project, "dev").plan()

    assert (project / "log").read_text().split() == ["plan", "interrupted"]


def test_a_stack_that_was_not_synthesized_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=r"^cdktf.out/stacks/dev does not exist: run `make synth` first$"):
        Stack(tmp_path, "dev")


def test_a_terraform_started_by_npm_ends_in_good_order(tmp_path: Path) -> None:
    """A terraform started by cdktf survives the end of its terminal, and cannot be found afterwards."""
    first, second = tmp_path / "node_modules/.bin/terraform", tmp_path / "bin/terraform"
    for path in (first, second):
        path.parent.mkdir(parents=True)
    first.symlink_to(ROOT / "delivery/orderly/terraform")
    second.write_text('#!/bin/sh\nkill -HUP $$\necho "$@, $PATH"\n')
    second.chmod(0o755)
    environ = {"PATH": f"{first.parent}:{second.parent}:/usr/bin:/bin"}

    done = subprocess.run(["terraform", "apply"], env=environ, capture_output=True, text=True, check=True)

    assert done.stdout == f"apply, {second.parent}:/usr/bin:/bin\n"
