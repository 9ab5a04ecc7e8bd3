"""A deployment's life after its release: upgraded by `cdktf deploy`, planned by a role that may only look, changed by
somebody, put right by the plan that was approved."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.workplace import ROOT, STATE_BUCKET, Workplace
from tests.e2e import github
from tests.e2e.lab import until

pytestmark = pytest.mark.e2e

KEY = {"PLAN_KEY": "0123456789abcdef" * 4, "GITHUB_SHA": "0" * 40}
GITHUB = """
[github]
repository = "lab/dropbatch"
owner_id = "12"
repository_id = "345"
environments = ["dev"]
"""
MINE = {"id": {"S": "lab#r-0"}, "run_id": {"S": "r-0"}, "state": {"S": "SUCCEEDED"}}


@dataclass
class Upgraded:
    work: Workplace
    before: dict[str, Any]
    log: str
    locked: bool


def newest_release() -> Path:
    return max((ROOT / "tests/upgrades").glob("*.json"), key=lambda path: path.name)


def identities(work: Workplace) -> dict[str, Any]:
    """Everything that holds data, by what AWS knows it by."""
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
    """The previous release with data in it; then today's, by the command that people use."""
    work = Workplace(tmp_path_factory.mktemp("deployment"))
    with (work.root / "bootstrap.toml").open("a") as file:
        file.write(GITHUB)
    try:
        work.apply_release(newest_release())
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
    # Nobody's queue of work was made anew either.
    assert "destroyed" in upgraded.log
    for kind in (
        "aws_s3_bucket.",
        "aws_dynamodb_table.",
        "aws_ecr_repository.",
        "aws_sqs_queue.",
        "aws_batch_job_queue.",
    ):
        assert not [line for line in upgraded.log.splitlines() if kind in line and "Destroying" in line], kind


def test_cdktf_deploys_under_a_lock_with_the_variables_that_it_is_given(upgraded: Upgraded) -> None:
    work = upgraded.work
    assert upgraded.locked
    assert work.unlocked()
    (budget,) = work.client("budgets").describe_budgets(AccountId="000000000000")["Budgets"]
    assert float(budget["BudgetLimit"]["Amount"]) == 77
    state = json.loads(work.client("s3").get_object(Bucket=STATE_BUCKET, Key="dropbatch/dev.tfstate")["Body"].read())
    assert set(state["outputs"]) >= {"input_bucket", "ledger_table", "dashboard"}
    assert not (work.root / "terraform.dev.tfstate").exists()


@pytest.fixture(scope="module")
def roles(upgraded: Upgraded) -> Workplace:
    """The roles for GitHub's workflows, as bootstrap makes them."""
    work = upgraded.work
    folder = work.root / "cdktf.out/stacks/bootstrap"
    resources = json.loads((folder / "cdk.tf.json").read_text())["resource"]
    (bucket,) = resources["aws_s3_bucket"]
    where = f"-chdir={folder}"
    work.call("terraform", where, "init", "-input=false", "-no-color")
    # The bucket is there already, which bootstrap would have made.
    work.call("terraform", where, "import", "-no-color", f"aws_s3_bucket.{bucket}", STATE_BUCKET)
    targets = [f"-target=aws_iam_role_policy.{name}" for name in resources["aws_iam_role_policy"]]
    work.call("terraform", where, "apply", "-input=false", "-no-color", "-auto-approve", *targets)
    return work


@pytest.fixture(scope="module")
def looking(roles: Workplace) -> dict[str, str]:
    """The role that plans, taken as a pull request's workflow takes it."""
    return github.credentials(roles.environ, "plan")


def test_the_next_files_are_processed_and_the_role_that_deploys_may_see_to_it(roles: Workplace) -> None:
    deploying = github.credentials(roles.environ, "deploy-dev", "repo:lab/dropbatch:environment:dev")
    assert "dev: counts.txt came back" in roles.module("delivery.smoke", "dev", env={**KEY, **deploying})


def test_the_role_that_plans_cannot_apply(upgraded: Upgraded, looking: dict[str, str]) -> None:
    """What else it cannot do: `tests/e2e/test_bootstrap.py`."""
    command = ["terraform", f"-chdir={upgraded.work.stack}", "apply", "-auto-approve", "-input=false", "-no-color"]
    said = upgraded.work.call(*command, code=1, env=looking)
    assert "Error acquiring the state lock" in said
    assert "AccessDenied" in said


class TestThePlanThatWasApproved:
    """Somebody changed something by hand. It is seen, planned, approved, and put right."""

    SEALED = "build/sealed"

    @pytest.fixture(scope="class")
    def changed(self, upgraded: Upgraded) -> Workplace:
        work = upgraded.work
        url = work.client("sqs").get_queue_url(QueueName="dropbatch-dev-arrivals")["QueueUrl"]
        work.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
        work.client("ssm").delete_parameter(Name="/dropbatch/dev")
        return work

    def test_drift_is_seen_and_what_is_merely_not_deployed_is_not(self, changed: Workplace, looking: Any) -> None:
        # The budget of the file is not the one that was deployed with --var: a change, and no drift.
        said = changed.module("delivery.drift", "look", "dev", "--into", "build/drift", env=looking)
        assert "dev: 2 resources drifted" in said, said
        rows = json.loads((changed.root / "build/drift/dev.json").read_text())
        assert {each["address"].split(".")[0]: each["what"] for each in rows} == {
            "aws_sqs_queue": "was changed",
            "aws_ssm_parameter": "is gone",
        }

    def test_is_applied_as_it_is_and_only_once(self, changed: Workplace, looking: Any) -> None:
        work, outputs = changed, changed.root / "outputs"
        summary = work.root / "summary"
        environ = {**KEY, "GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary)}

        # Given a plan that was approved, and a job on another machine
        work.module("delivery.plan", "dev", "--look", "--seal", self.SEALED, env={**environ, **looking})
        told = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
        assert told == {"changed": "true", "digest": hashlib.sha256((work.root / self.SEALED).read_bytes()).hexdigest()}
        assert "### dev: 1 to create, " in summary.read_text()
        arguments = ["dev", "--sealed", self.SEALED, "--digest", told["digest"]]

        # When somebody takes it for something else
        refused = work.module("delivery.apply", *arguments, "--action", "destroy", code=1, env=environ)
        assert "error: sealed is for deploy of dev at 000000000000, not for destroy of dev" in refused

        # Then it is refused; and what was approved is done
        said = work.module("delivery.apply", *arguments, env=environ)
        assert "3 packages are those of the plan" in said
        assert "### dev is deployed" in summary.read_text()
        work.client("ssm").get_parameter(Name="/dropbatch/dev")

        # And it cannot be done again
        again = work.module("delivery.apply", *arguments, code=1, env=environ)
        assert "Saved plan is stale" in again
