"""Rights in the stacks: no action is ``*``, and no resource is unless necessary.

`test_services.py` tests the rights of services to call services.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from constructs_lib.policy import Statement, policy_json
from tests.constructs_lib.synthesis import Stack
from tests.infra.plans import stack_of
from tests.project import ROOT

Json = dict[str, Any]

# Actions that AWS has no resource level for: Service Authorization Reference, "Resource types" empty.
WITHOUT_RESOURCES = {
    "batch:DescribeComputeEnvironments",
    "batch:DescribeJobDefinitions",
    "batch:DescribeJobQueues",
    "batch:DescribeJobs",
    "batch:ListJobs",
    "ecr:GetAuthorizationToken",
    "ecs:DiscoverPollEndpoint",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}


@pytest.fixture(scope="module")
def full() -> Stack:
    return stack_of((ROOT / "tests/infra/full.toml").read_text(), "full")


def policies(stack: Stack) -> Iterator[tuple[str, Json]]:
    """Return every statement of every policy, with its resource, without hashes."""
    for type_, resources in stack.body["resource"].items():
        for id_, body in resources.items():
            for key in ("policy", "assume_role_policy", "policy_document"):
                text = body.get(key)
                if isinstance(text, str) and "Statement" in text:
                    for statement in json.loads(text)["Statement"]:
                        yield f"{type_} {re.sub('_[0-9A-F]{8}$', '', id_)}", statement


def test_no_grant_allows_every_action(full: Stack, stacks: dict[str, Stack]) -> None:
    for stack in (full, *stacks.values()):
        for where, statement in policies(stack):
            for action in statement["Action"]:
                wild = action == "*" or action.endswith(":*")
                assert not wild or statement["Effect"] == "Deny", f"{where}: {action}"


def test_statements_of_a_policy_have_different_ids() -> None:
    one = Statement(sid="Read", actions=["s3:GetObject"], resources=["arn:aws:s3:::a/*"])
    other = Statement(sid="Read", actions=["s3:GetObject"], resources=["arn:aws:s3:::b/*"])

    with pytest.raises(ValueError, match=r"must differ in their sid, got \['Read'\] twice"):
        policy_json([one, other])


def test_only_actions_without_resource_level_are_granted_on_everything(full: Stack, stacks: dict[str, Stack]) -> None:
    everywhere = {
        action
        for name, stack in [("full", full), *stacks.items()]
        if name != "bootstrap"  # see test_bootstrap
        for _, statement in policies(stack)
        if "*" in statement.get("Resource", [])
        for action in statement["Action"]
    }
    assert everywhere <= WITHOUT_RESOURCES, everywhere - WITHOUT_RESOURCES
    assert everywhere >= WITHOUT_RESOURCES, WITHOUT_RESOURCES - everywhere


def test_every_grant_on_everything_has_a_reason_beside_it() -> None:
    for path in sorted((ROOT / "constructs_lib").glob("*.py")):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if re.search(r'resources=\["\*"\]|_on\(.*, "\*"\)', line):
                near = lines[max(0, number - 5) : number + 1]
                assert any("#" in each for each in near), f"{path.name}:{number + 1}: say why"


def test_only_the_execution_role_of_a_pipeline_reads_its_secrets(full: Stack) -> None:
    readers = {
        where
        for where, statement in policies(full)
        if {"secretsmanager:GetSecretValue", "ssm:GetParameters"} & set(statement["Action"])
    }
    assert readers == {"aws_iam_role_policy Pipeline-wordcount_Execution_Grants"}


def test_nothing_is_reachable_from_outside(full: Stack, stacks: dict[str, Stack]) -> None:
    for stack in (full, *stacks.values()):
        assert not stack.types() & {"aws_vpc_security_group_ingress_rule", "aws_security_group_rule"}
        for group in stack.resources("aws_security_group") + stack.resources("aws_default_security_group"):
            assert "ingress" not in group


def test_logs_expire_after_the_set_time(full: Stack) -> None:
    assert {each["retention_in_days"] for each in full.resources("aws_cloudwatch_log_group")} == {30}


# Rights of AWS's own agents, which no test here can use.
AGENTS = {
    "dropbatch-full.machines": {
        *("ecs:DiscoverPollEndpoint", "ecs:Poll", "ecs:StartTelemetrySession", "ecs:UpdateContainerInstancesState"),
        *("ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance", "ecs:SubmitAttachmentStateChanges"),
        *("ecs:SubmitContainerStateChange", "ecs:SubmitTaskStateChange", "ecs:TagResource"),
        *("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer"),
        "ecr:BatchGetImage",
    },
    "dropbatch-full-fold.execution": {
        *("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer"),
        *("ecr:BatchGetImage", "logs:CreateLogStream", "logs:PutLogEvents"),
    },
    "dropbatch-full.flow-logs": {"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"},
}


@pytest.mark.parametrize("role", AGENTS)
def test_agents_of_aws_have_exactly_these_rights(full: Stack, role: str) -> None:
    assert {action for each in full.rights(role) for action in each["Action"]} == AGENTS[role]
