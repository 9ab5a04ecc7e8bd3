"""State machines read and write objects: the gap of MiniStack and its repair."""

import json
import uuid
from typing import Any

import pytest

from dropbatch.sandbox import emulator
from dropbatch.sandbox.machine_objects import ACTIONS
from tests.sandbox.batch_stack import trust
from tests.sandbox.batch_world import eventually
from tests.sandbox.conftest import Client


@pytest.fixture
def name() -> str:
    return f"m-{uuid.uuid4().hex[:8]}"


def task(action: str, following: str | None, **arguments: Any) -> dict[str, Any]:
    after = {"Next": following} if following else {"End": True}
    resource = f"arn:aws:states:::aws-sdk:s3:{action}"
    return {"Type": "Task", "Resource": resource, "Arguments": arguments, "Output": "{% $states.result %}", **after}


def run(aws: Client, name: str, states: dict[str, Any]) -> dict[str, Any]:
    """Return the result of an execution of these states."""
    role = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust("states.amazonaws.com"))["Role"]["Arn"]
    machines = aws("stepfunctions")
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states})
    arn = machines.create_state_machine(name=name, definition=definition, roleArn=role)["stateMachineArn"]
    execution = machines.start_execution(stateMachineArn=arn)["executionArn"]
    eventually(lambda: machines.describe_execution(executionArn=execution)["status"] != "RUNNING")
    found: dict[str, Any] = machines.describe_execution(executionArn=execution)
    return found


@pytest.mark.parametrize(("body", "written"), [({"ä": [1]}, '{"ä": [1]}'), ("plain", "plain")])
def test_a_state_machine_reads_the_object_it_wrote(aws: Client, name: str, body: Any, written: str) -> None:
    aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    key = "a b/c+%41.json"

    end = run(
        aws,
        name,
        {
            "Write": task("putObject", "Read", Bucket=name, Key=key, Body=body),
            "Read": task("getObject", None, Bucket=name, Key=key),
        },
    )

    assert end["status"] == "SUCCEEDED", end
    assert json.loads(end["output"])["Body"] == written
    assert aws("s3").get_object(Bucket=name, Key=key)["Body"].read().decode() == written


def test_a_missing_object_gives_a_state_machine_the_error_of_the_sdk(aws: Client, name: str) -> None:
    aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    end = run(aws, name, {"Read": task("getObject", None, Bucket=name, Key="missing")})

    assert (end["status"], end["error"]) == ("FAILED", "S3.NoSuchKeyException")


@pytest.mark.gap("machine_objects")
def test_gap_plain_ministack_gives_state_machines_no_objects() -> None:
    known = emulator.service("stepfunctions")._S3_OP_SPECS

    assert not {action[0].upper() + action[1:] for action in ACTIONS} & set(known)
