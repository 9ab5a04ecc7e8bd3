"""Deploys without a workflow, with the commands of cdktf and Terraform; and how to leave cdktf."""

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.delivery.workplace import Workplace, checkout, surroundings_of_terraform
from tests.e2e.lab import until

pytestmark = pytest.mark.soak  # minutes: `make rehearse` and the job of that name run it


def test_leaving_cdktf_gives_valid_terraform(tmp_path: Path) -> None:
    root, providers = checkout(tmp_path), tmp_path / "providers"
    environ = {**os.environ, **surroundings_of_terraform(tmp_path), "TF_DATA_DIR": str(providers)}
    work = Workplace.without_sandbox(root, environ)
    work.call("npx", "cdktf", "synth", "--hcl", "--output", "hcl", "--app", f"{work.python} main.py")
    for stack in ("bootstrap", "dev", "prod"):
        folder = root / "hcl/stacks" / stack
        where = f"-chdir={folder}"
        if not providers.exists():
            work.call("terraform", where, "init", "-backend=false", "-input=false", "-no-color")
            lock = folder / ".terraform.lock.hcl"
        elif not (folder / lock.name).exists():
            shutil.copy(lock, folder)  # the same providers
        assert "Success! The configuration is valid" in work.call("terraform", where, "validate", "-no-color")
        text = (folder / "cdk.tf").read_text()
        assert 'required_version = ">= 1.11"' in text
        assert 'Sid\\":\\"' in text


def terraform_in(folder: Path) -> int | None:
    """Return the Terraform process in a folder. cdktf starts it in a terminal of its own."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            if command[0].endswith(b"terraform") and b"apply" in command and (process / "cwd").readlink() == folder:
                return int(process.name)
        except OSError:
            continue  # it has ended, or is somebody else's
    return None


@dataclass
class Deployed:
    work: Workplace
    interrupted: str
    """Output of the first deploy, which is interrupted."""
    unlocked: bool
    """Return whether the state was unlocked when Terraform had ended."""
    again: str
    """Output of the second deploy."""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    work = Workplace(tmp_path_factory.mktemp("by-hand"))
    try:
        # Given a deploy in the middle of its work
        deploy = work.start(*work.cdktf_command("deploy"))
        # Not earlier: Terraform cancels calls in flight, and its state does not contain what such a call created.
        pools = work.client("batch")
        until(lambda: pools.describe_compute_environments()["computeEnvironments"] or None, "the pools", 240)

        # When somebody presses Ctrl-C, which cdktf does not wait for Terraform after
        os.killpg(deploy.pid, signal.SIGINT)
        said, _ = deploy.communicate(timeout=240)
        until(lambda: True if terraform_in(work.stack) is None else None, "Terraform to end", 240)
        yield Deployed(work, said, work.unlocked(), work.cdktf("deploy"))
    finally:
        work.sandbox.destroy_state()


@pytest.fixture
def work(deployed: Deployed) -> Workplace:
    return deployed.work


@pytest.mark.e2e
class TestByHand:
    """Each test continues where the one before it ended."""

    def test_an_interrupted_deploy_continues_when_repeated(self, deployed: Deployed) -> None:
        assert "Apply complete!" not in deployed.interrupted
        assert deployed.unlocked
        assert "Apply complete!" in deployed.again
        plan = ["terraform", f"-chdir={deployed.work.stack}", "plan", "-input=false", "-no-color", "-detailed-exitcode"]
        assert "No changes" in deployed.work.call(*plan)

    def test_all_commands_accept_variables(self, work: Workplace) -> None:
        (work.root / "mine.tfvars").write_text("budget_limit = 99\n")
        file = str(work.root / "mine.tfvars")
        assert '"99' in work.cdktf("diff", "--var-file", file)
        planned = ["terraform", f"-chdir={work.stack}", "plan", "-input=false", "-no-color"]
        assert '"88' in work.call(*planned, "-var", "budget_limit=88")
        assert "budget_limit must be at least 1 US dollar" in work.call(*planned, "-var", "budget_limit=0", code=1)
        applied = ["terraform", f"-chdir={work.stack}", "apply", "-input=false", "-no-color", "-auto-approve"]
        assert "0 added, 1 changed, 0 destroyed" in work.call(*applied, "-var", "budget_limit=88")

    def test_leaving_cdktf_plans_no_change_to_the_deployed_stack(self, work: Workplace) -> None:
        """A plan of the same stack as HCL shows no change except the variable."""
        override = (work.stack / "sandbox_override.tf.json").read_text()
        work.call("npx", "cdktf", "synth", "--hcl", "--output", "hcl", "--app", f"{work.python} main.py")
        folder = work.root / "hcl/stacks/dev"
        (folder / "sandbox_override.tf.json").write_text(override)
        work.call("terraform", f"-chdir={folder}", "init", "-input=false", "-no-color")
        command = ["terraform", f"-chdir={folder}", "plan", "-input=false", "-no-color", "-var", "budget_limit=88"]
        assert "No changes" in work.call(*command)

    def test_destroy_leaves_nothing(self, work: Workplace) -> None:
        work.cdktf("destroy")
        assert work.client("dynamodb").list_tables()["TableNames"] == []
        assert work.client("batch").describe_job_queues()["jobQueues"] == []
        assert work.client("lambda").list_functions()["Functions"] == []
