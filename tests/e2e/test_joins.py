"""The documented recipe for joins: several runs, then one run over all their results."""

import json
import shutil
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from dropbatch.sandbox.terraform import Terraform
from tests.e2e.lab import Lab, until
from tests.project import ROOT

pytestmark = pytest.mark.e2e

_OVER = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


class Joins:
    """The recipe, applied beside a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        stack = lab.root / "cdktf.out" / "stacks" / "joins"
        shutil.copytree(ROOT / "docs" / "joins", stack)
        # The provider, which anyone who applies the recipe has; here that of the lab.
        ours = json.loads((stack.parent / "sandbox" / "cdk.tf.json").read_text())
        surroundings = {
            "terraform": {"required_providers": ours["terraform"]["required_providers"]},
            "provider": {"aws": [{"region": "eu-central-1"}]},
        }
        (stack / "cdk.tf.json").write_text(json.dumps(surroundings))
        self.terraform = Terraform(lab.root, "joins", {**lab.environ, "TF_VAR_environment": "sandbox"})
        self.terraform.apply()
        self.arn = self.terraform.outputs()["state_machine_arn"]
        self.states = lab.client("stepfunctions")

    def end_of(self, **asked: Any) -> dict[str, Any]:
        """Return the result of an execution."""
        name = f"test-{uuid.uuid4().hex[:8]}"
        arn = self.states.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(asked))["executionArn"]

        def over() -> dict[str, Any] | None:
            found: dict[str, Any] = self.states.describe_execution(executionArn=arn)
            return found if found["status"] in _OVER else None

        return until(over, "the join to end", seconds=150)

    def upload(self, name: str, body: bytes) -> str:
        key = f"lab/inputs/{name}"
        self.lab.s3.put_object(Bucket=self.lab.pointers["input_bucket"], Key=key, Body=body)
        return key


@pytest.fixture(scope="module")
def joins(lab: Lab) -> Iterator[Joins]:
    made = Joins(lab)
    yield made
    made.terraform.destroy()


def test_one_run_reads_the_results_of_several(joins: Joins) -> None:
    parts = [joins.upload(f"ä {number}+.txt", b"word\n" * number) for number in (1, 2, 3)]

    end = joins.end_of(runs=[{"pipeline": "wordcount", "inputs": part} for part in parts], then={"pipeline": "joined"})

    assert end["status"] == "SUCCEEDED", f"{end.get('error')}: {end.get('cause')}"
    run = json.loads(end["output"])
    assert (run["pipeline"], run["state"]) == ("joined", "SUCCEEDED")
    item = joins.lab.run(run["run_id"])
    assert item
    lines = joins.lab.result(item, "joined.txt").decode().splitlines()
    assert [int(line.split()[0]) for line in lines if line.endswith("  words")] == [1, 2, 3]
    names = [each["uri"].rpartition("/")[2] for each in joins.lab.record(item)["inputs"]]
    assert names == ["counts.txt"] * 3


def test_failures_are_all_reported_and_nothing_is_joined(joins: Joins) -> None:
    good = joins.upload("good.txt", b"word\n")
    before = [run for run in joins.lab.runs() if run["pipeline"] == "joined"]

    end = joins.end_of(
        runs=[
            {"pipeline": "wordcount", "inputs": good},
            {"pipeline": "wordcount", "inputs": "lab/inputs/missing.txt"},
            {"pipeline": "wordcount", "inputs": good, "parameters": {"k": [1, 2]}},
        ],
        then={"pipeline": "joined"},
    )

    assert (end["status"], end["error"]) == ("FAILED", "Join.RunsFailed")
    missing, many = sorted(end["cause"].splitlines(), key=lambda line: "makes 2" in line)
    assert missing.startswith("Run.REJECTED: ")
    assert "lab/inputs/missing.txt" in missing
    assert "task_token: a state machine can wait for one run, the request makes 2" in many
    assert [run for run in joins.lab.runs() if run["pipeline"] == "joined"] == before


def test_a_duplicate_event_changes_nothing(joins: Joins) -> None:
    end = joins.end_of(
        runs=[{"pipeline": "wordcount", "inputs": joins.upload("twice.txt", b"word\n")}], then={"pipeline": "joined"}
    )
    resume = f"{joins.arn}-resume"

    again = joins.states.start_execution(
        stateMachineArn=resume, input=json.dumps({"detail": json.loads(end["output"])})
    )

    def over() -> str | None:
        status: str = joins.states.describe_execution(executionArn=again["executionArn"])["status"]
        return status if status in _OVER else None

    assert until(over, "the second telling to end") == "SUCCEEDED"
