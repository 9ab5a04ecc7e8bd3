"""A deployment after its release: an upgrade by `cdktf deploy`, then deploys by GitHub's workflows."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from delivery.comment import MARKER
from delivery.release import FIXTURES, previous
from dropbatch import __version__
from tests.delivery.github_api import GitHub, serving
from tests.delivery.runner import COMMIT, PLAN_ROLE, Runner, deploy_role
from tests.delivery.workflows import Workflow
from tests.delivery.workplace import STATE_BUCKET, Workplace
from tests.e2e import github
from tests.e2e.lab import until
from tests.project import ROOT

pytestmark = pytest.mark.e2e

MINE = {"id": {"S": "lab#r-0"}, "run_id": {"S": "r-0"}, "state": {"S": "SUCCEEDED"}}


@dataclass
class Upgraded:
    work: Workplace
    before: dict[str, Any]
    log: str
    locked: bool


def identities(work: Workplace) -> dict[str, Any]:
    """Return everything that holds data, by its AWS id."""
    buckets = {each["Name"]: each["CreationDate"] for each in work.client("s3").list_buckets()["Buckets"]}
    (table,) = work.client("dynamodb").list_tables()["TableNames"]
    described = work.client("dynamodb").describe_table(TableName=table)["Table"]
    (repository,) = work.client("ecr").describe_repositories()["repositories"]
    return {
        "buckets": {name: made for name, made in buckets.items() if name != STATE_BUCKET},
        "ledger": (described["TableArn"], described.get("TableId"), described["CreationDateTime"]),
        "repository": (repository["repositoryArn"], repository["createdAt"]),
        "logs": {each["logGroupName"] for each in work.client("logs").describe_log_groups()["logGroups"]},
    }


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """Deploy the previous release with data, then upgrade to the current one by the documented command."""
    work = Workplace(tmp_path_factory.mktemp("deployment"), github=True)
    try:
        work.apply_release(previous(list((ROOT / FIXTURES).glob("*.json")), __version__))
        before = identities(work)
        for bucket in before["buckets"]:
            work.client("s3").put_object(Bucket=bucket, Key="lab/inputs/mine", Body=b"mine")
        work.client("dynamodb").put_item(TableName="dropbatch-dev-ledger", Item=MINE)

        deploy = work.start(*work.cdktf_command("deploy", "--var", "budget_limit=77"))
        until(lambda: True if deploy.poll() is not None or not work.unlocked() else None, "the lock", 300)
        locked = deploy.poll() is None
        log, _ = deploy.communicate(timeout=600)
        assert deploy.returncode == 0, log
        yield Upgraded(work, before, log, locked)
    finally:
        work.sandbox.destroy_state()


def test_an_upgrade_keeps_everything_that_holds_data(upgraded: Upgraded) -> None:
    work, before, after = upgraded.work, upgraded.before, identities(upgraded.work)
    assert {name: after[name] for name in ("buckets", "ledger", "repository")} == {
        name: before[name] for name in ("buckets", "ledger", "repository")
    }
    assert before["logs"] <= after["logs"]
    for bucket in before["buckets"]:
        assert work.client("s3").get_object(Bucket=bucket, Key="lab/inputs/mine")["Body"].read() == b"mine"
    found = work.client("dynamodb").get_item(TableName="dropbatch-dev-ledger", Key={"id": MINE["id"]})
    assert found["Item"] == MINE
    # No queue was replaced either.
    assert "destroyed" in upgraded.log
    for kind in (
        "aws_s3_bucket.",
        "aws_dynamodb_table.",
        "aws_ecr_repository.",
        "aws_sqs_queue.",
        "aws_batch_job_queue.",
    ):
        assert not [line for line in upgraded.log.splitlines() if kind in line and "Destroying" in line], kind


def test_cdktf_deploys_with_a_lock_and_the_given_variables(upgraded: Upgraded) -> None:
    work = upgraded.work
    assert upgraded.locked
    assert work.unlocked()
    assert work.budget() == 77
    state = json.loads(work.state())
    assert set(state["outputs"]) >= {"input_bucket", "ledger_table", "dashboard"}
    assert not (work.root / "terraform.dev.tfstate").exists()


def test_the_plan_role_cannot_apply(upgraded: Upgraded) -> None:
    """`tests/e2e/test_bootstrap.py` tests the other limits of the role."""
    # Given a change to be made, the budget that was deployed with --var, and credentials of the role
    work = upgraded.work
    command = ["terraform", f"-chdir={work.stack}", "apply", "-auto-approve", "-input=false", "-no-color"]
    looking = github.credentials(work.environ, "plan")
    before = work.state()

    # When it applies, under the lock or without, then nothing changes, the state neither
    said = work.call(*command, code=1, env=looking)
    assert "Error acquiring the state lock" in said
    assert "AccessDenied" in said
    said = work.call(*command, "-lock=false", code=1, env=looking)
    assert "AccessDenied" in said
    assert work.budget() == 77
    assert work.state() == before


class Repository:
    """A repository on GitHub: variables, secrets, issues, and artifacts of its workflow jobs."""

    def __init__(self, work: Workplace, folder: Path, api: type[GitHub]) -> None:
        self.work, self.folder, self.api = work, folder, api
        self.acted: set[tuple[str, str]] = set()
        self.key = {"PLAN_KEY": "0123456789abcdef" * 4}
        self.contexts: dict[str, Any] = {
            "vars": {"AWS_PLAN_ROLE": PLAN_ROLE, "AWS_DEPLOY_ROLE": deploy_role("dev")},
            "secrets": self.key,
            "inputs": {"environment": "dev", "action": "deploy", "smoke": True},
            "matrix": {"environment": "dev"},
        }
        bin_ = folder / "bin"
        bin_.mkdir()
        engine = bin_ / "docker"
        engine.write_text('#!/bin/sh\n[ "$1" != save ] || echo image > "$3"\n')
        engine.chmod(0o755)
        self.path = f"{bin_}:{work.environ['PATH']}"

    def act(self, file: str, job: str, **contexts: Any) -> tuple[Runner, dict[str, str]]:
        """Run a job on a new machine; return the machine and the job's outputs."""
        runner = Runner(
            self.work,
            self.folder / f"{len(self.acted)}-{job}-{time.time_ns()}",
            self.folder / "artifacts",
            PATH=self.path,
            GITHUB_API_URL=self.api.address,
            GITHUB_REPOSITORY="lab/dropbatch",
            GITHUB_SERVER_URL="https://github.com",
            GITHUB_RUN_ID="7",
        )
        runner.event({"pull_request": {"number": 3, "head": {"sha": COMMIT}}})
        outputs = Workflow(file).act(job, runner, {**self.contexts, **contexts})
        self.acted.add((file, job))
        return runner, outputs

    def comment(self) -> str:
        """Return our only comment."""
        (found,) = self.api.comments
        return str(found["body"])


@pytest.fixture(scope="module")
def repository(upgraded: Upgraded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    with serving() as api:
        yield Repository(upgraded.work, tmp_path_factory.mktemp("github"), api)


@pytest.mark.soak  # minutes: `make rehearse` and the job of that name run it
class TestWorkflows:
    """From a pull request to a deployment that is changed by hand and repaired; the tests depend on their order."""

    def test_a_pull_request_shows_the_plan_of_its_merge(self, repository: Repository) -> None:
        request = {"github": {"event_name": "pull_request"}}
        _, outputs = repository.act("ci.yml", "environments", **request)
        assert json.loads(outputs["environments"]) == ["dev"]
        runner, _ = repository.act("ci.yml", "plan", **request)
        repository.act("ci.yml", "comment", **request)

        # The budget of the file is not the one that was deployed with --var.
        head = f"{MARKER}\nWhat a merge of 0123456789ab would do:\n\n### dev: 1 to update"
        assert repository.comment().startswith(head)
        assert "### dev: 1 to update" in runner.summary.read_text()
        assert repository.work.unlocked()

    def test_a_manual_change_opens_an_issue(self, repository: Repository) -> None:
        work = repository.work
        url = work.client("sqs").get_queue_url(QueueName="dropbatch-dev-arrivals")["QueueUrl"]
        work.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
        work.client("ssm").delete_parameter(Name="/dropbatch/dev")

        repository.act("drift.yml", "environments")
        repository.act("drift.yml", "look")
        repository.act("drift.yml", "tell")

        # The budget, which is merely not deployed yet, is no drift.
        (issue,) = repository.api.issues
        assert issue["title"] == "Drift in dev"
        rows = [line for line in issue["body"].splitlines() if line.startswith("| `")]
        assert [(row.split(".")[0].strip("| `"), row.split("|")[2].strip()) for row in rows] == [
            ("aws_sqs_queue", "was changed"),
            ("aws_ssm_parameter", "is gone"),
        ]

    def test_the_approved_plan_is_applied_unchanged_and_only_once(self, repository: Repository) -> None:
        # Given a merge, its images, and its plan
        _, outputs = repository.act("deploy.yml", "choose", inputs={}, github={"event_name": "push"})
        assert json.loads(outputs["environments"]) == ["dev"]
        (architecture,) = json.loads(outputs["architectures"])
        repository.act("deploy.yml", "images", matrix={"architecture": architecture})
        planner, plan = repository.act("environment.yml", "plan")
        sealed = repository.folder / "artifacts/plan-dev/sealed"
        assert plan == {"changed": "true", "digest": hashlib.sha256(sealed.read_bytes()).hexdigest()}
        assert "### dev: 1 to create, " in planner.summary.read_text()

        # When it was approved, then it is done, with the role of the environment, and a file comes back processed
        runner, _ = repository.act("environment.yml", "apply", needs={"plan": {"outputs": plan}})
        assert "3 packages are those of the plan" in runner.said
        assert "### dev is deployed" in runner.summary.read_text()
        assert "dev: counts.txt came back" in runner.said
        assert [path.suffix for path in (runner.root / "build/images").iterdir()] == [".tar"]
        repository.work.client("ssm").get_parameter(Name="/dropbatch/dev")

        # And when somebody takes it for something else, or once more, then it is refused
        again = {"ENV": "dev", "DIGEST": plan["digest"], **repository.key}
        command = "make apply SEALED=build/delivery/sealed"
        with pytest.raises(AssertionError, match="sealed is for deploy of dev at 0123456789ab, not for destroy of dev"):
            runner.run(command, {**again, "ACTION": "destroy"})
        with pytest.raises(AssertionError, match="Saved plan is stale"):
            runner.run(command, again)

    def test_the_issue_is_closed_when_the_drift_is_gone(self, repository: Repository) -> None:
        repository.act("drift.yml", "look")
        repository.act("drift.yml", "tell")
        assert [each["state"] for each in repository.api.issues] == ["closed"]

    def test_every_job_of_the_workflows_was_simulated(self, repository: Repository) -> None:
        """Jobs that run tests like these are exempt."""
        files = [path.name for path in (ROOT / ".github/workflows").glob("*.yml")]
        jobs = {(file, name) for file in files for name, job in Workflow(file).jobs.items() if "steps" in job}
        assert jobs - repository.acted == {("ci.yml", "check"), ("ci.yml", "rehearse")}
