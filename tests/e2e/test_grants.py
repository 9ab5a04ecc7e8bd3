"""Every grant is needed: each role fails at its work without one grant, and reports it."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dropbatch.sandbox.grants import policies_of, unused
from tests.authorization_reference import unknown_checks
from tests.e2e.lab import Lab, until

pytestmark = pytest.mark.e2e


@contextlib.contextmanager
def without(lab: Lab, role: str, action: str) -> Iterator[None]:
    """Take one right from a role for the duration of the block."""
    iam = lab.client("iam")
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    maimed = json.loads(json.dumps(policy))
    for statement in maimed["Statement"]:
        statement["Action"] = [each for each in statement["Action"] if each != action]
    maimed["Statement"] = [statement for statement in maimed["Statement"] if statement["Action"]]
    assert maimed != policy, f"{role} has no grant of {action}"
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(maimed))
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


def refused(lab: Lab, function: str, since: float, action: str) -> Any:
    """Return the line of a function's log that names the denied action."""
    pages = lab.client("logs").get_paginator("filter_log_events")
    name = action.split(":")[1]
    found = pages.paginate(logGroupName=f"/aws/lambda/dropbatch-sandbox-{function}", startTime=int(since * 1000))
    return next(
        (
            event["message"]
            for page in found
            for event in page["events"]
            if "AccessDenied" in event["message"] and name in event["message"]
        ),
        None,
    )


@pytest.mark.parametrize(
    ("function", "action"),
    [
        ("arrival", "batch:SubmitJob"),
        ("arrival", "s3:PutObject"),
        ("run-events", "s3:GetObject"),
    ],
)
def test_a_function_without_a_grant_fails_and_its_work_is_done_later(lab: Lab, function: str, action: str) -> None:
    began = time.time()
    with without(lab, f"dropbatch-sandbox-{function}.function", action):
        run = lab.drop(f"lab/wordcount/without-{action.replace(':', '-')}.txt", b"word\n")
        until(lambda: refused(lab, function, began, action), f"{function} to be refused {action}")
        item = lab.run(run)
        assert item is None or item["state"] != "SUCCEEDED"

    def ended() -> Any:
        item = lab.run(run)
        return item if item and item["state"] in {"SUCCEEDED", "FAILED"} else None

    assert until(ended, "the run to end after all", seconds=200)["state"] == "SUCCEEDED"


def test_the_spend_guard_without_a_grant_fails(lab: Lab) -> None:
    functions = lab.client("lambda")

    def guard(action: str) -> Any:
        return functions.invoke(
            FunctionName="dropbatch-sandbox-spend-guard", Payload=json.dumps({"action": action, "reason": "a test"})
        )

    try:
        with without(lab, "dropbatch-sandbox-spend-guard.function", "batch:UpdateComputeEnvironment"):
            answer = guard("pause")
            assert "FunctionError" in answer
            assert "UpdateComputeEnvironment" in answer["Payload"].read().decode()
    finally:
        assert "FunctionError" not in guard("resume")


def test_a_program_without_a_grant_fails_and_says_which_role_lacks_it(lab: Lab) -> None:
    with without(lab, "dropbatch-sandbox-wordcount-lab", "s3:GetObjectVersion"):
        ended = lab.ended(lab.drop("lab/wordcount/without-reading.txt", b"word\n"))

    assert ended["state"] == "FAILED"
    assert "the job role dropbatch-sandbox-wordcount-lab may not read s3://" in ended["reason"]


def test_a_program_that_loses_its_right_to_write_leaves_no_partial_result(lab: Lab) -> None:
    bucket = lab.pointers["output_bucket"]

    def parts() -> list[Any] | None:
        uploads: list[Any] = lab.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return [each for each in uploads if each["Key"].endswith("/large")] or None

    run = lab.drop("lab/script/large.sh", b"truncate -s 600M $1/large\n")
    until(parts, "the upload to begin", every=0.01)
    with without(lab, "dropbatch-sandbox-script-lab", "s3:PutObject"):
        ended = lab.ended(run)

    assert ended["state"] == "FAILED"
    assert parts() is None


def right(role: str, action: str) -> tuple[str, str]:
    """An action and who may do it: a function, a rule of EventBridge, or the program of any pipeline for any group."""
    name = role.removeprefix("dropbatch-sandbox").lstrip("-.")
    return (name if "." in role else "job", action)


@pytest.mark.last
def test_the_tests_used_every_right_of_our_own_code(lab: Lab, whole_suite: bool) -> None:
    """The last test before the stack is destroyed: a right that no test used is not needed."""
    if not whole_suite:
        pytest.skip("not all end-to-end tests ran and passed: what they used says nothing about what is needed")
    used = {right(role, action) for role, action in lab.used_rights()}
    granted = {
        right(grant.role, grant.action)
        for grant in unused(policies_of(lab.client("iam"), "dropbatch-sandbox"), [])
        if grant.checked
    }

    functions = {"arrival.function", "run-events.function", "spend-guard.function"}
    assert {role for role, _ in granted} == {"job", *functions, "run-notices"}
    assert granted - used == set()


@pytest.mark.last
def test_iam_checked_only_actions_of_the_service_authorization_reference(lab: Lab) -> None:
    """Return action and resource of every check since the sandbox started: functions, jobs, members and deploys."""
    uses = lab.sandbox.control({"grants": True})["uses"]

    assert uses
    assert unknown_checks(uses) == set()
