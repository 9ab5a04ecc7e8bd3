"""Every command with the rights of its users: a member of a group, an operator, and a user without rights."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from click.testing import CliRunner, Result

from dropbatch.cli.main import _COMMANDS, cli
from tests.e2e.lab import Lab, until

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
Dropbatch = Callable[..., Result]
MEMBER, OPERATOR = "lab-person", "operator"
"""The lab's group trusts the first of these."""

RESEARCHERS = {
    *("drop", "submit", "rerun", "retry", "reproduce", "cancel"),
    *("status", "show", "logs", "fetch", "tree", "export", "report", "cost"),
}
OPERATORS = {"pause", "resume", "invite", "doctor"}
HERE = {"init", "completion", "sandbox", "demo", "demo-down"}
"""Commands that need no rights: they write files, or use the checkout's sandbox only."""


def test_every_command_is_assigned_to_a_kind_of_user():
    assert set(_COMMANDS) == RESEARCHERS | OPERATORS | HERE


def operators_policy() -> dict[str, Any]:
    """The policy in docs/commands.md, for the sandbox."""
    text = (ROOT / "docs" / "commands.md").read_text("utf-8").partition("## Rights of operators")[2]
    found = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert found is not None
    policy: dict[str, Any] = json.loads(found[1].replace("dev", "sandbox"))
    return policy


@pytest.fixture(scope="module")
def people(lab: Lab) -> Iterator[dict[str, dict[str, str]]]:
    """Credentials of a member of group lab (in the members' role), of an operator, and of a user without rights."""
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
    """Run the command outside the checkout with one user's credentials only."""
    monkeypatch.chdir(tmp_path)
    for name, value in lab.environ.items():
        monkeypatch.setenv(name, value)

    def hands(who: str) -> Dropbatch:
        def call(*arguments: str, group: str = "lab") -> Result:
            monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
            for name, value in people[who].items():
                monkeypatch.setenv(name, value)
            return CliRunner().invoke(cli, ["--group", group, *arguments], prog_name="dropbatch")

        return call

    return hands


def good(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


def test_a_member_may_use_every_command_of_a_researcher(
    lab: Lab, as_: Callable[[str], Dropbatch], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called = {"cancel", "retry"}  # in the test below

    def call(*arguments: str, interrupted: bool = False) -> Result:
        called.add(arguments[0])
        result = as_(MEMBER)(*arguments)
        assert result.exit_code == (1 if interrupted else 0), result.output  # click's, which the program makes 130
        return result

    file = tmp_path / "notes.txt"
    file.write_text("one two two\n")

    dropped = call("drop", str(file), "--pipeline", "wordcount", "--fetch", "results", "--json")
    (answer,) = json.loads(dropped.stdout)
    run = answer["run_id"]
    assert (tmp_path / "results" / "counts.txt").is_file()
    assert json.loads(call("drop", str(file), "--pipeline", "wordcount", "--json").stdout)[0]["already_there"]

    assert run in call("status").stdout
    with monkeypatch.context() as once:
        once.setattr("dropbatch.cli.commands.status.time.sleep", _interrupt)
        assert "SUCCEEDED" in call("status", "--watch", interrupted=True).stdout
    assert json.loads(call("show", run[:12]).stdout)["record"]["run_id"] == run
    assert json.loads(call("show", "notes.txt").stdout)["run"]["run_id"] == run
    call("logs", run)
    call("fetch", run, "again")
    call("fetch", "lab/wordcount/notes.txt", "and-again")
    assert "notes.txt" in call("tree", "wordcount").stdout
    for by in ("pipeline", "group", "day"):
        call("cost", "--by", by)
    call("report", "r.html")
    assert run in (tmp_path / "r.html").read_text("utf-8")
    call("export", run, "--ro-crate", "crate")
    made_again = json.loads(call("reproduce", run, "--yes", "--wait", "--json").stdout)
    assert made_again["identical"]

    again = json.loads(call("rerun", run, "--yes", "--wait", "--json").stdout)["ended"]
    assert [each["state"] for each in again] == ["SUCCEEDED"]
    asked = ("submit", "--pipeline", "wordcount", "--inputs", "wordcount/notes.txt", "--param", "k=1,2")
    # 2 runs × 2 tries × 10 minutes × 1 vCPU, from the parameter: job definitions are not theirs to see
    assert "at worst 0.7 vCPU-hours" in call(*asked, "--dry-run").stderr
    assert len(json.loads(call(*asked, "--yes", "--wait", "--json").stdout)["ended"]) == 2
    call("submit", "--pipeline", "wordcount", "--missing", "--yes")
    assert called == RESEARCHERS


def _interrupt(_: float) -> None:
    raise KeyboardInterrupt


def test_a_member_follows_the_log_of_a_running_program(
    lab: Lab, as_: Callable[[str], Dropbatch], tmp_path: Path
) -> None:
    call = as_(MEMBER)
    file = tmp_path / "listened.txt"
    file.write_text("one\n")
    (answer,) = json.loads(good(call("drop", str(file), "--pipeline", "slow", "--json")).stdout)
    until(lambda: (lab.run(answer["run_id"]) or {}).get("log_stream"), "the program to begin")

    heard = good(call("logs", answer["run_id"], "-f"))

    assert f"dropbatch-run: run {answer['run_id']} attempt 1" in heard.stdout
    assert f"{answer['run_id']} SUCCEEDED" in heard.stderr


def test_a_member_continues_an_upload(
    lab: Lab, as_: Callable[[str], Dropbatch], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "large.bin"
    file.write_bytes(bytes(9 * 2**20))
    call = BaseClient._make_api_call  # type: ignore[attr-defined]
    sent = []

    def cut(self: Any, operation_name: str, kwargs: dict[str, Any]) -> Any:
        if operation_name == "UploadPart":
            sent.append(kwargs["PartNumber"])
        if operation_name == "CompleteMultipartUpload":
            raise EndpointConnectionError(endpoint_url="https://s3")
        return call(self, operation_name, kwargs)

    with monkeypatch.context() as away:
        away.setattr(BaseClient, "_make_api_call", cut)
        first = as_(MEMBER)("drop", str(file), "--pipeline", "quick")
    second = good(as_(MEMBER)("drop", str(file), "--pipeline", "quick", "--wait"))

    assert first.exit_code == 5, first.output
    assert sorted(sent) == [1, 2]
    assert "SUCCEEDED" in second.stderr


def test_a_member_cancels_and_retries(lab: Lab, as_: Callable[[str], Dropbatch], tmp_path: Path) -> None:
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
        assert (unheard.exit_code, "has no log: cancelled on request" in unheard.stderr) == (3, True), unheard.output
    finally:
        lab.sandbox.control({"clear": True})
    (ended,) = json.loads(good(call("retry", run, "--yes", "--wait", "--json")).stdout)["ended"]

    assert ended["state"] == "SUCCEEDED"
    assert lab.ended(run)["attempt"] == 2


def test_a_member_reads_what_members_may_read(lab: Lab, as_: Callable[[str], Dropbatch]) -> None:
    found = json.loads(as_(MEMBER)("doctor", "--json").stdout)

    outcomes = {each["check"]: each["outcome"] for each in found}
    assert outcomes["credentials"] == outcomes["parameter"] == outcomes["pause"] == "ok"
    assert outcomes["dead letters"] == outcomes["vCPU quotas"] == "unknown"
    assert all("not allowed" in each["text"] for each in found if each["check"] == "dead letters")


@pytest.mark.parametrize(
    "arguments", [["pause", "--yes"], ["resume", "--yes"], ["retry", "--dead-letters", "--yes"], ["invite", "anna"]]
)
def test_a_member_may_not_use_commands_of_operators(
    lab: Lab, as_: Callable[[str], Dropbatch], arguments: list[str]
) -> None:
    result = as_(MEMBER)(*arguments)

    assert result.exit_code == 4, result.output
    assert result.stderr.startswith("Error: not allowed: ")
    assert len([line for line in result.stderr.splitlines() if not line.startswith(" ")]) == 1


@pytest.mark.parametrize("arguments", [["status"], ["show", "r-" + "0" * 20], ["tree"], ["cost"], ["report"]])
def test_a_member_may_not_read_another_group(lab: Lab, as_: Callable[[str], Dropbatch], arguments: list[str]) -> None:
    result = as_(MEMBER)(*arguments, group="other")

    assert result.exit_code == 4, result.output
    assert "ask whoever runs this environment" in result.stderr
    assert len([line for line in result.stderr.splitlines() if not line.startswith(" ")]) == 1


def test_a_call_without_rights_prints_one_line(lab: Lab, as_: Callable[[str], Dropbatch]) -> None:
    result = as_("nobody")("status")

    assert result.exit_code == 4, result.output
    assert "not allowed" in result.stderr


def test_an_operator_needs_only_the_documented_rights(lab: Lab, as_: Callable[[str], Dropbatch]) -> None:
    called = set()

    def call(*arguments: str) -> Result:
        called.add(arguments[0])
        return as_(OPERATOR)(*arguments)

    good(call("pause", "--yes", "--reason", "a test"))
    try:
        paused = call("doctor", "--json")
        seen = json.loads(good(as_(MEMBER)("status", "--json")).stdout)["paused"]
    finally:
        good(call("resume", "--yes"))

    well = json.loads(call("doctor", "--json").stdout)

    assert paused.exit_code == 1
    assert any("a test" in each["text"] for each in json.loads(paused.stdout) if each["outcome"] == "problem")
    assert seen["reason"] == "a test"  # whoever waits is told why
    assert {each["outcome"] for each in well if each["check"] in {"pause", "dead letters", "mail", "images"}} == {"ok"}
    assert not [each for each in well if "not allowed" in each["text"]]
    for more in ((), ("--replace",)):
        assert json.loads(good(call("invite", "anna", "--json", *more)).stdout)["user"] == "dropbatch-sandbox-anna"
    lab.client("iam").delete_access_key(UserName="dropbatch-sandbox-anna", AccessKeyId=_key_of(lab, "anna"))
    assert called == OPERATORS


def _key_of(lab: Lab, person: str) -> str:
    (key,) = lab.client("iam").list_access_keys(UserName=f"dropbatch-sandbox-{person}")["AccessKeyMetadata"]
    found: str = key["AccessKeyId"]
    return found


def test_an_operator_sends_dead_letters_back(lab: Lab, as_: Callable[[str], Dropbatch]) -> None:
    sqs = lab.client("sqs")
    dead = sqs.get_queue_url(QueueName="dropbatch-sandbox-arrivals-dead")["QueueUrl"]
    sqs.purge_queue(QueueUrl=dead)
    sqs.send_message(QueueUrl=lab.pointers["arrival_queue_url"], MessageBody="no letter")

    def lying() -> bool | None:
        found = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
        return int(found["Attributes"]["ApproximateNumberOfMessages"]) > 0 or None

    until(lying, "the letter to lie dead")
    try:
        seen = good(as_(OPERATOR)("retry", "--dead-letters", "--dry-run"))
        assert "not JSON" in seen.stdout
        assert "Would send 1 dead letter back" in seen.stderr
        until(lying, "the letter to be seen again")
        back = json.loads(good(as_(OPERATOR)("retry", "--dead-letters", "--yes", "--json")).stdout)
        assert back["redriven"] == 1
        until(lying, "what nobody mended to lie dead again")
    finally:
        sqs.purge_queue(QueueUrl=dead)
