"""Every command with the rights of those who use it: a member of a group, somebody who runs the deployment, nobody."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from click.testing import CliRunner, Result

from dropbatch.cli.main import cli
from tests.e2e.lab import Lab, until

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
Dropbatch = Callable[..., Result]
MEMBER, OPERATOR = "lab-person", "operator"
"""The first is who the lab's group trusts."""


def operators_policy() -> dict[str, Any]:
    """The policy in docs/commands.md, for the sandbox."""
    text = (ROOT / "docs" / "commands.md").read_text("utf-8").partition("## Rights of operators")[2]
    found = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert found is not None
    policy: dict[str, Any] = json.loads(found[1].replace("dev", "sandbox"))
    return policy


@pytest.fixture(scope="module")
def people(lab: Lab) -> Iterator[dict[str, dict[str, str]]]:
    """Credentials of a member of group lab, in the role that members take, of an operator, of nobody."""
    iam, sts = lab.client("iam"), lab.client("sts")
    account = sts.get_caller_identity()["Account"]
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    policies = {MEMBER: {"Version": "2012-10-17", "Statement": [assume]}, OPERATOR: operators_policy(), "nobody": None}
    found, made = {}, []
    for name, policy in policies.items():
        iam.create_user(UserName=name)
        if policy is not None:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        made.append((name, key["AccessKeyId"], policy))
        found[name] = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    role = f"arn:aws:iam::{account}:role/dropbatch-sandbox-lab.members"
    make: Any = boto3.Session
    person = make(*found[MEMBER].values(), region_name=lab.environ["AWS_REGION"])
    taken = person.client("sts", endpoint_url=lab.environ["AWS_ENDPOINT_URL"], config=Config(proxies={})).assume_role(
        RoleArn=role, RoleSessionName="me"
    )["Credentials"]
    found[MEMBER] = {
        "AWS_ACCESS_KEY_ID": taken["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": taken["SecretAccessKey"],
        "AWS_SESSION_TOKEN": taken["SessionToken"],
    }
    yield found
    for name, key_id, policy in made:
        if policy is not None:
            iam.delete_user_policy(UserName=name, PolicyName="p")
        iam.delete_access_key(UserName=name, AccessKeyId=key_id)
        iam.delete_user(UserName=name)


@pytest.fixture
def as_(
    lab: Lab, people: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], Dropbatch]:
    """The command in somebody's hands, away from the checkout: only their own credentials are there."""
    monkeypatch.chdir(tmp_path)
    for name, value in lab.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)

    def hands(who: str) -> Dropbatch:
        for name, value in people[who].items():
            monkeypatch.setenv(name, value)

        def call(*arguments: str, group: str = "lab") -> Result:
            return CliRunner().invoke(cli, ["--group", group, *arguments], prog_name="dropbatch")

        return call

    return hands


def good(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


def test_a_member_does_everything_a_researcher_does(lab: Lab, as_: Callable[[str], Dropbatch], tmp_path: Path) -> None:
    call = as_(MEMBER)
    file = tmp_path / "notes.txt"
    file.write_text("one two two\n")

    dropped = good(call("drop", str(file), "--pipeline", "wordcount", "--fetch", "results", "--json"))
    (answer,) = json.loads(dropped.stdout)
    run = answer["run_id"]
    assert (tmp_path / "results" / "counts.txt").is_file()

    assert run in good(call("status")).stdout
    assert json.loads(good(call("show", run[:12])).stdout)["record"]["run_id"] == run
    good(call("logs", run))
    good(call("fetch", run, "again"))
    assert "notes.txt" in good(call("tree", "wordcount")).stdout
    for by in ("pipeline", "group", "day"):
        good(call("cost", "--by", by))
    good(call("report", "r.html"))
    assert run in (tmp_path / "r.html").read_text("utf-8")
    good(call("export", run, "--ro-crate", "crate"))
    good(call("reproduce", run, "--dry-run"))

    again = json.loads(good(call("rerun", run, "--yes", "--wait", "--json")).stdout)["ended"]
    assert [each["state"] for each in again] == ["SUCCEEDED"]
    asked = ("submit", "--pipeline", "wordcount", "--inputs", "wordcount/notes.txt", "--param", "k=1,2")
    # 2 runs × 2 tries × 10 minutes × 1 vCPU, from the parameter: job definitions are not theirs to see
    assert "at worst 0.7 vCPU-hours" in good(call(*asked, "--dry-run")).stderr
    assert len(json.loads(good(call(*asked, "--yes", "--wait", "--json")).stdout)["ended"]) == 2


def test_a_member_cancels_and_tries_again(lab: Lab, as_: Callable[[str], Dropbatch], tmp_path: Path) -> None:
    call = as_(MEMBER)
    file = tmp_path / "waits.txt"
    file.write_text("one\n")
    lab.sandbox.control({"fault": "no-capacity"})  # it waits for a machine until it is cancelled
    try:
        dropped = good(call("drop", str(file), "--pipeline", "quick", "--json"))
        (run,) = [each["run_id"] for each in json.loads(dropped.stdout)]
        until(lambda: lab.run(run), "the run to be claimed")
        good(call("cancel", run, "--yes"))
        assert lab.ended(run)["state"] == "CANCELLED"
        unheard = call("logs", run)  # S3 says "access denied" of what is not there to those who may not list it all
        assert (unheard.exit_code, "left no log: cancelled on request" in unheard.stderr) == (3, True), unheard.output
    finally:
        lab.sandbox.control({"clear": True})
    (ended,) = json.loads(good(call("retry", run, "--yes", "--wait", "--json")).stdout)["ended"]

    assert ended["state"] == "SUCCEEDED"
    assert lab.ended(run)["attempt"] == 2


def test_a_member_looks_at_what_may_be_looked_at(lab: Lab, as_: Callable[[str], Dropbatch]) -> None:
    found = json.loads(as_(MEMBER)("doctor", "--json").stdout)

    outcomes = {each["check"]: each["outcome"] for each in found}
    assert outcomes["credentials"] == outcomes["parameter"] == "ok"
    assert outcomes["dead letters"] == outcomes["pause"] == outcomes["vCPU quotas"] == "unknown"
    assert all("not allowed" in each["text"] for each in found if each["check"] in {"dead letters", "pause"})


@pytest.mark.parametrize(
    "arguments", [["pause", "--yes"], ["resume", "--yes"], ["retry", "--dead-letters", "--yes"], ["invite", "anna"]]
)
def test_what_is_the_operators_is_not_a_members(
    lab: Lab, as_: Callable[[str], Dropbatch], arguments: list[str]
) -> None:
    result = as_(MEMBER)(*arguments)

    assert result.exit_code == 4, result.output
    assert result.stderr.startswith("Error: not allowed: ")
    assert len([line for line in result.stderr.splitlines() if not line.startswith(" ")]) == 1


@pytest.mark.parametrize("arguments", [["status"], ["show", "r-" + "0" * 20], ["tree"], ["cost"], ["report"]])
def test_another_group_is_not_a_members(lab: Lab, as_: Callable[[str], Dropbatch], arguments: list[str]) -> None:
    result = as_(MEMBER)(*arguments, group="other")

    assert result.exit_code == 4, result.output
    assert "ask whoever runs this environment" in result.stderr
    assert len([line for line in result.stderr.splitlines() if not line.startswith(" ")]) == 1


def test_without_rights_a_line_says_so(lab: Lab, as_: Callable[[str], Dropbatch]) -> None:
    result = as_("nobody")("status")

    assert result.exit_code == 4, result.output
    assert "not allowed" in result.stderr


def test_an_operator_with_the_documented_rights(lab: Lab, as_: Callable[[str], Dropbatch]) -> None:
    call = as_(OPERATOR)
    good(call("pause", "--yes", "--reason", "a test"))
    try:
        paused = call("doctor", "--json")
    finally:
        good(call("resume", "--yes"))

    well = json.loads(call("doctor", "--json").stdout)

    assert paused.exit_code == 1
    assert any("a test" in each["text"] for each in json.loads(paused.stdout) if each["outcome"] == "problem")
    assert {each["outcome"] for each in well if each["check"] in {"pause", "dead letters", "mail", "images"}} == {"ok"}
    assert not [each for each in well if "not allowed" in each["text"]]
    good(call("retry", "--dead-letters", "--dry-run"))
