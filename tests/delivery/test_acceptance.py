import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from delivery import acceptance, beliefs, observations, observed_jobs
from delivery.acceptance import STEPS, Acceptance, Step, go, report
from delivery.account import CommandError, NotInSandboxError
from delivery.beliefs import BELIEFS, Belief
from delivery.errors import DeliveryError
from delivery.observations import Observation
from dropbatch.settings import load
from tests.delivery.workplace import Workplace
from tests.project import ROOT

ITEMS = ("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "B5")
"""Source: a review by an AWS engineer, see docs/delivery.md."""
THEN = datetime.datetime(2026, 11, 20, 12, 30, tzinfo=datetime.UTC)


def test_the_acceptance_environment_is_valid_and_disposable(tmp_path: Path) -> None:
    file = tmp_path / "acceptance.toml"
    shutil.copy(ROOT / "delivery/acceptance.toml", file)
    settings = load(file)
    assert settings.environment.disposable
    assert {pool.kind for pool in settings.compute.values()} == {"spot", "on_demand"}


def test_the_second_deploy_of_the_acceptance_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "acceptance.toml"
    place = "eu-central-1:123456789012"
    added = observed_jobs._PIPELINES.format(
        image="123456789012.dkr.ecr.eu-central-1.amazonaws.com/acceptance-elsewhere:1",
        secret=f"arn:aws:secretsmanager:{place}:secret:acceptance-elsewhere-0a-AbCdEf",
        key=f"arn:aws:kms:{place}:key/0",
        word="0a",
    )
    file.write_text((ROOT / "delivery/acceptance.toml").read_text() + added)
    assert {"elsewhere", "secret"} <= load(file).pipeline.keys()


def test_a_failed_step_does_not_stop_the_others_and_all_is_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def step(name: str):
        def run(_: Acceptance) -> str:
            tried.append(name)
            if name == "drop":
                raise DeliveryError("no counts | came back")
            return f"{name} was seen"

        return run

    monkeypatch.setattr(acceptance, "STEPS", {name: (step(name), before) for name, (_, before) in STEPS.items()})
    monkeypatch.setattr(beliefs, "BELIEFS", ())
    steps = [each for each in go(Acceptance(env={}, region="eu-central-1")) if isinstance(each, Step)]

    assert tried == ["bootstrap", "deploy", "drop", "spot rescue", "pause and resume", "destroy"]
    page = report(steps, target="AWS, eu-central-1", commit="abc", when=THEN)
    lines = page.splitlines()
    assert lines[0] == "# Acceptance on AWS, eu-central-1, 2026-11-20 12:30 UTC"
    assert lines[2].endswith("commit abc. 5 of 8 held.")
    assert r"| drop | failed | 0 | no counts \| came back |" in lines
    assert "| reproduce | not tried | 0 | needs drop |" in lines


def test_an_interruption_ends_the_steps_and_destroys(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def step(name: str):
        def run(_: Acceptance) -> str:
            tried.append(name)
            if name == "drop":
                raise KeyboardInterrupt
            return "seen"

        return run

    monkeypatch.setattr(acceptance, "STEPS", {name: (step(name), before) for name, (_, before) in STEPS.items()})
    monkeypatch.setattr(beliefs, "BELIEFS", [believing(lambda _: pytest.fail("not after an interruption"))])
    found = go(Acceptance(env={}, region="eu-central-1"))
    steps = {each.name: each for each in found if isinstance(each, Step)}
    assert tried == ["bootstrap", "deploy", "drop", "destroy"]
    assert (steps["drop"].found, steps["cost"].found) == ("interrupted", "needs drop, interrupted")


def test_a_failed_deploy_leaves_a_report_and_the_means_to_destroy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Use a cdktf that fails, as it does without credentials."""
    (tmp_path / "environments").mkdir()
    (tmp_path / "npx").write_text("#!/bin/sh\necho no credentials >&2\nexit 1\n")
    (tmp_path / "npx").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert acceptance.main(["--region", "eu-west-1"], {"PATH": f"{tmp_path}:/usr/bin:/bin", "GITHUB_SHA": "abc"}) == 1
    (page,) = (tmp_path / "build/acceptance").glob("*.md")
    assert "commit abc. 0 of 8 held." in page.read_text()
    assert "no credentials" in page.read_text()
    assert 'region = "eu-west-1"' in (tmp_path / "environments/acceptance.toml").read_text()


def test_a_report_of_failures_counts_none_as_held() -> None:
    steps = [Step(name="deploy", outcome="failed", seconds=12.4, found="x")]
    assert "0 of 1 held" in report(steps, target="AWS", commit="abc", when=THEN)


@pytest.mark.parametrize("item", ITEMS)
def test_every_item_is_checked(item: str) -> None:
    assert [each for each in BELIEFS if each.name.split()[0] == item]


def test_every_assumption_names_a_file_and_a_step() -> None:
    assert len({each.name for each in BELIEFS}) == len(BELIEFS)
    for each in BELIEFS:
        assert (ROOT / each.file).is_file(), each.file
        assert each.step in STEPS
        assert each.belief[-1] not in ".!"


def believing(observe: Callable[[Acceptance], Observation], step: str = "deploy", name: str = "A0 a name") -> Belief:
    return Belief(name=name, belief="it is so", file="delivery/beliefs.py", step=step, observe=observe)


def test_a_failed_check_of_an_assumption_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(error: Exception) -> Callable[[Acceptance], Observation]:
        def observe(_: Acceptance) -> Observation:
            raise error

        return observe

    found = {
        "yes": believing(lambda _: Observation(held=True, text="3 | rows")),
        "no": believing(lambda _: Observation(held=False, text="x")),
        "not shown": believing(lambda _: Observation(held=None, text="x")),
        "not in the sandbox": believing(raising(NotInSandboxError("no machines"))),
        "not tried": believing(raising(KeyError("jobId"))),
    }
    monkeypatch.setattr(beliefs, "BELIEFS", [*found.values(), believing(lambda _: pytest.fail("undeployed"), "drop")])

    seen = list(beliefs.observed(Acceptance(env={}, region="eu-central-1"), ["deploy"]))

    assert [each.held for each in seen] == [*found, "not tried"]
    assert seen[-1].observed == "needs drop"
    page = report([], seen, target="AWS", commit="abc", when=THEN).splitlines()
    assert "Of 6 beliefs about AWS 1 held, 1 did not." in page
    assert r"| A0 a name: it is so | 3 \| rows | yes | `delivery/beliefs.py` |" in page


def test_assumptions_are_checked_before_and_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def step(name: str) -> Callable[[Acceptance], str]:
        def run(_: Acceptance) -> str:
            order.append(name)
            return name

        return run

    def look(name: str) -> Callable[[Acceptance], Observation]:
        return lambda this: Observation(held=True, text=step(name)(this))

    monkeypatch.setattr(acceptance, "STEPS", {name: (step(name), before) for name, (_, before) in STEPS.items()})
    monkeypatch.setattr(
        beliefs,
        "BELIEFS",
        [believing(look("rights"), "destroy"), believing(look("log"), "cost"), believing(look("disk"))],
    )
    list(go(Acceptance(env={}, region="eu-central-1")))
    assert order[-5:] == ["cost", "log", "disk", "destroy", "rights"]


class Answers(Acceptance):
    """An account whose answers are given by operation; an exception is raised."""

    def __init__(self, answers: dict[str, Any], **more: Any) -> None:
        super().__init__(env={}, region="eu-central-1", **more)
        self.answers = answers
        self.asked: list[tuple[str, ...]] = []

    def aws(self, service: str, operation: str, *arguments: str) -> Any:
        self.asked.append((service, operation, *arguments))
        found = self.answers[operation]
        if isinstance(found, str):
            raise CommandError(("aws", service, operation), 254, "", found)
        return found

    def item(self, run: str) -> dict[str, Any]:
        return {"job_id": "j-1"}


TWO_QUEUES = {
    "Parameter": {"Value": json.dumps({"pools": {"ondemand": "dropbatch-acceptance-ondemand"}, "groups": ["lab"]})}
}
DEFINED = {
    "get-parameter": TWO_QUEUES,
    "register-job-definition": {"jobDefinitionArn": "arn"},
    "deregister-job-definition": {},
}


@pytest.mark.parametrize(
    ("answer", "held"),
    [
        ("ClientException: Either schedulingPriority … is required", True),
        ("AccessDenied: no", None),
        ({"jobId": "j-2"}, False),
    ],
)
def test_a1_is_checked_with_a_job_without_priority(answer: Any, held: bool | None) -> None:
    this = Answers({**DEFINED, "submit-job": answer, "terminate-job": {}}, run="r-1")
    found = observed_jobs.job_without_priority(this)
    assert found.held is held
    (submitted,) = (each for each in this.asked if each[1] == "submit-job")
    assert not [word for word in submitted if "priority" in word and word.startswith("--scheduling")]
    assert this.asked[-1][1] == "deregister-job-definition"
    assert ("batch", "terminate-job", "--job-id", "j-2", "--reason", "acceptance") in this.asked or held is not False


def test_a6_is_checked_with_quotes_around_a_line() -> None:
    lines = ['"SUCCEEDED lab/wordcount r-1 (acceptance-1.txt)"', "FAILED lab/wordcount r-2 (acceptance-2.txt)"]
    messages = [{"Body": each, "ReceiptHandle": "h"} for each in lines]
    answers = {"get-queue-url": {"QueueUrl": "u"}, "delete-message": {}}
    quoted = Answers({**answers, "receive-message": {"Messages": messages}})
    plain = Answers({**answers, "receive-message": {"Messages": messages[1:]}})
    assert observations.operators_line(quoted).held is False
    assert observations.operators_line(plain).held is True


@pytest.mark.parametrize(
    ("streams", "message", "held"),
    [([], "r-1", False), ([{"logStreamName": "s"}], "r-2", False), ([{"logStreamName": "s"}], "r-1", True)],
)
def test_a6_is_checked_in_the_log_of_runs(streams: list[dict[str, str]], message: str, held: bool) -> None:
    answers = {
        "describe-log-groups": {"logGroups": [{"logGroupName": "/aws/events/dropbatch-acceptance/runs"}]},
        "describe-log-streams": {"logStreams": streams},
        "filter-log-events": {"events": [{"message": message}]},
    }
    assert observations.run_log(Answers(answers, run="r-1")).held is held


@pytest.mark.parametrize("said", [[], ["s3 PutObject: parameter IfNoneMatch needs botocore 1.35.2 or newer"]])
def test_an_old_boto3_is_found_in_the_logs_of_the_functions(said: list[str]) -> None:
    answers = {
        "describe-log-groups": {"logGroups": [{"logGroupName": "/aws/lambda/dropbatch-acceptance-arrival"}]},
        "filter-log-events": {"events": [{"message": each} for each in said]},
    }
    assert observations.boto3_of_functions(Answers(answers)).held is not bool(said)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("InvalidInput: Service role name AWSServiceRoleForBatch has been taken in this account", True),
        ("AccessDenied: no", None),
        ({"Role": {}}, False),
    ],
)
def test_an_existing_role_is_found_by_its_refusal(text: Any, held: bool | None) -> None:
    assert observations.service_linked_role(Answers({"create-service-linked-role": text})).held is held


@pytest.mark.parametrize(
    ("types", "held"),
    [
        ({"IncludeCredit": False, "IncludeRefund": False}, True),
        ({"IncludeCredit": True, "IncludeRefund": False}, False),
        ({}, False),  # AWS includes them unless it is told not to
    ],
)
def test_a9_is_checked_in_the_budget(types: dict[str, bool], held: bool) -> None:
    answers = {"get-caller-identity": {"Account": "1"}, "describe-budget": {"Budget": {"CostTypes": types}}}
    assert observations.budget_costs(Answers(answers)).held is held


@pytest.mark.parametrize(
    ("refusals", "deployer", "held"),
    [
        ([], "arn:aws:iam::1:role/dropbatch-deploy-acceptance", True),
        (
            ["User is not authorized to perform: lambda:TagResource"],
            "arn:aws:iam::1:role/dropbatch-deploy-acceptance",
            False,
        ),
        (
            ["User is not authorized to perform: sns:Unsubscribe"],
            "arn:aws:iam::1:role/dropbatch-deploy-acceptance",
            True,
        ),
        ([], "", None),
    ],
)
def test_a3_is_checked_in_the_denied_calls_of_the_role(refusals: list[str], deployer: str, held: bool | None) -> None:
    mapping = {"FunctionArn": "arn:aws:lambda:r:1:function:dropbatch-acceptance-arrival", "EventSourceMappingArn": "m"}
    answers = {
        "list-event-source-mappings": {"EventSourceMappings": [mapping]},
        "list-tags": {"Tags": {"research-stack-id": "dropbatch-acceptance"}},
    }
    assert observations.tagged_mappings(Answers(answers, refusals=refusals, deployer=deployer)).held is held


def test_b5_lists_unknown_reasons() -> None:
    jobs = [
        {
            "jobId": "j-1",
            "statusReason": "Essential container in task exited",
            "attempts": [{"statusReason": "Host EC2 (instance i-1) terminated.", "container": {}}],
        },
        {
            "jobId": "j-2",
            "statusReason": "Something new",
            "container": {"reason": "OutOfMemoryError: Container killed"},
        },
    ]
    answers = {
        "get-parameter": TWO_QUEUES,
        "list-jobs": {"jobSummaryList": [{"jobId": "j-1", "jobName": "a"}]},
        "describe-jobs": {"jobs": jobs},
    }
    this = Answers(answers)
    this.env = {"DROPBATCH_SANDBOX_DIR": "here"}
    found = observed_jobs.reason_texts(this)
    assert found.held is False
    assert "unknown: statusReason 'Something new' of job j-2. known: " in found.text
    assert "Host EC2 (instance i-1) terminated.; OutOfMemoryError: Container killed" in found.text


def test_denied_calls_of_the_deploy_role_are_recorded_and_the_deploy_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trust of the role is extended for a moment and then restored."""
    trust = {"Version": "2012-10-17", "Statement": [{"Sid": "Assume"}]}
    role = {"Arn": "arn:aws:iam::1:role/dropbatch-deploy-acceptance", "AssumeRolePolicyDocument": trust}
    keys = {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}
    this = Answers(
        {
            "get-role": {"Role": role},
            "get-caller-identity": {"Account": "1", "Arn": "arn:aws:iam::1:user/me"},
            "update-assume-role-policy": {},
            "assume-role": {"Credentials": keys},
        }
    )
    this.env = {"AWS_PROFILE": "me", "PATH": "/bin"}
    sessions = []

    def cdktf(command: str, stack: str, env: Any = None) -> str:
        sessions.append(env)
        if env is not None:
            raise CommandError(("npx",), 1, "╷ Error: User is not authorized to perform: sns:Unsubscribe", "")
        return ""

    monkeypatch.setattr(this, "cdktf", cdktf)
    this.as_deployer("deploy")

    assert sessions == [
        {"PATH": "/bin", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"},
        None,
    ]
    assert [each.partition("User")[2] for each in this.refusals] == [" is not authorized to perform: sns:Unsubscribe"]
    wide, narrow = (json.loads(each[-1]) for each in this.asked if each[1] == "update-assume-role-policy")
    assert narrow == trust
    ours = wide["Statement"][-1]
    assert ours["Principal"] == {"AWS": "arn:aws:iam::1:root"}
    word = ours["Condition"]["StringEquals"]["sts:ExternalId"]
    assert word in next(each for each in this.asked if each[1] == "assume-role")


def test_two_concurrent_acceptances_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/acceptance.toml").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert acceptance.main([], {}) == 1
    assert "acceptance.toml exists: is another acceptance under way?" in capsys.readouterr().err
    assert (tmp_path / "environments/acceptance.toml").read_text() == "mine"


@pytest.mark.e2e
@pytest.mark.soak
def test_all_steps_succeed_in_the_sandbox(tmp_path: Path) -> None:
    work = Workplace(tmp_path, github=True)
    bootstrap = work.root / "bootstrap.toml"  # with a role that deploys it
    bootstrap.write_text(bootstrap.read_text().replace('["dev"]', '["dev", "acceptance"]'))
    try:
        said = work.module("delivery.acceptance", env={"GITHUB_SHA": "0" * 40})
    finally:
        work.sandbox.destroy_state()
    assert "8 of 8 held" in said, said
    (page,) = (work.root / "build/acceptance").glob("*.md")
    assert page.read_text().startswith("# Acceptance on the sandbox, ")
    assert not (work.root / "environments/acceptance.toml").exists()
