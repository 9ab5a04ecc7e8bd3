"""Rights demanded beside a call's own action, compared with the Service Authorization Reference."""

from typing import Any

import pytest

from dropbatch.sandbox.demands import Call, demands
from dropbatch.sandbox.demands.call import Demand, query_members
from dropbatch.sandbox.demands.network import MADE, NAMED, ONLY_WITH_TAGS
from dropbatch.sandbox.demands.rows import ROWS, Row
from tests.authorization_reference import action_of

HOME = "arn:aws:{}:eu-central-1:000000000000:{}"
ROLE = "arn:aws:iam::000000000000:role/r"

# Calls that pass a role according to AWS's guides, but have no such dependent action in the reference.
PASSED_BY_GUIDE = {
    *("batch:CreateComputeEnvironment", "batch:UpdateComputeEnvironment", "batch:RegisterJobDefinition"),
    *("events:PutTargets", "lambda:UpdateFunctionConfiguration"),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.call} {row.demands}")
def test_every_row_is_what_the_reference_says(row: Row) -> None:
    call, demanded = action_of(row.call), action_of(row.demands)

    assert row.source.startswith("https://")
    if row.tags:
        assert demanded.level == "Tagging"
        assert {"aws:RequestTag/", "aws:TagKeys"} <= demanded.condition_keys()
        if row.call != "budgets:ModifyBudget":  # the reference leaves them out
            assert "aws:RequestTag/" in call.condition_keys()
    else:
        assert ("iam:PassedToService" in demanded.condition_keys()) == bool(row.passed_to)
        assert (row.demands in call.dependent) != (row.call in PASSED_BY_GUIDE)
    assert demanded.takes(row.on.format(resource="*", value=ROLE, region="r", account="1")) or row.on == "{resource}"


@pytest.mark.parametrize("operation", sorted(MADE.keys() | NAMED.keys()))
def test_what_a_call_of_ec2_makes_and_names_is_what_the_reference_says(operation: str) -> None:
    action = action_of(f"ec2:{operation}")
    made, named = MADE.get(operation), set(NAMED.get(operation, {}))

    with_tags = {each for each in action.types if each and "aws:RequestTag/" in action.condition_keys(each)}
    assert with_tags == ({made} if made else set())
    assert ("ec2:CreateTags" in action.dependent) == (made is not None)
    assert named <= {each for each in action.types if each and "aws:ResourceTag/" in action.condition_keys(each)}
    assert action.required <= named | {made}
    if made:
        assert (made in action.required) != (made in ONLY_WITH_TAGS)


def pairs(found: list[Demand]) -> list[tuple[str, str]]:
    return [(each.action, each.resource) for each in found]


def test_a_tagged_mapping_demands_the_right_to_tag_mappings() -> None:
    tags = {"research-stack-id": "lab1"}
    call = Call(action="lambda:CreateEventSourceMapping", resource="*", members={"FunctionName": "f", "Tags": tags})

    (found,) = demands(call)

    assert (found.action, found.resource) == ("lambda:TagResource", HOME.format("lambda", "event-source-mapping:*"))
    assert found.context == {"aws:RequestTag/research-stack-id": "lab1", "aws:TagKeys": ["research-stack-id"]}
    assert demands(Call(action="lambda:CreateEventSourceMapping", resource="*", members={"FunctionName": "f"})) == []


def test_a_tagged_security_group_rule_demands_rights_on_the_rule() -> None:
    query = {
        "Action": "AuthorizeSecurityGroupEgress",
        "GroupId": ["sg-1"],
        "TagSpecification.1.ResourceType": ["security-group-rule"],
        "TagSpecification.1.Tag.1.Key": ["research-stack-id"],
        "TagSpecification.1.Tag.1.Value": ["lab1"],
    }
    rule, group = HOME.format("ec2", "security-group-rule/*"), HOME.format("ec2", "security-group/sg-1")

    found = demands(Call(action="ec2:AuthorizeSecurityGroupEgress", resource=group, members=query_members(query)))

    own = "ec2:AuthorizeSecurityGroupEgress"
    assert pairs(found) == [(own, group), (own, rule), ("ec2:CreateTags", rule)]
    assert found[1].context["aws:RequestTag/research-stack-id"] == "lab1"
    assert found[2].context["ec2:CreateAction"] == "AuthorizeSecurityGroupEgress"


def test_without_tags_only_the_group_of_a_rule_is_asked_for() -> None:
    call = Call(action="ec2:AuthorizeSecurityGroupEgress", resource="*", members={"GroupId": "sg-1"})

    assert pairs(demands(call)) == [(call.action, HOME.format("ec2", "security-group/sg-1"))]


@pytest.mark.parametrize(
    ("action", "members", "services"),
    [
        ("lambda:CreateFunction", {"Role": ROLE}, ["lambda"]),
        ("events:PutTargets", {"Targets": [{"Id": "1"}, {"Id": "2", "RoleArn": ROLE}]}, ["events"]),
        ("batch:RegisterJobDefinition", {"containerProperties": {"jobRoleArn": ROLE}}, ["batch", "ecs-tasks"]),
        ("batch:CreateComputeEnvironment", {"computeResources": {"instanceRole": ROLE}}, ["batch", "ec2"]),
        ("iam:AddRoleToInstanceProfile", {"InstanceProfileName": "p", "RoleName": "r"}, ["ec2"]),
        ("ec2:CreateFlowLogs", {"DeliverLogsPermissionArn": ROLE}, ["vpc-flow-logs"]),
    ],
)
def test_a_passed_role_demands_the_right_to_pass_it(action: str, members: dict[str, Any], services: list[str]) -> None:
    found = [each for each in demands(Call(action=action, resource="*", members=members)) if "PassRole" in each.action]

    assert {each.resource for each in found} == {ROLE}
    assert [each.context["iam:PassedToService"] for each in found] == [f"{name}.amazonaws.com" for name in services]


@pytest.mark.parametrize(
    "tags",
    [
        {"a": "1", "b": "2"},
        [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
        query_members(
            {
                "T.member.1.Key": "a",
                "T.member.1.Value": "1",
                "T.member.2.Key": "b",
                "T.member.2.Value": "2",
            }
        )["T"],
    ],
    ids=["mapping", "list", "query"],
)
def test_tags_are_read_in_every_form_that_services_take_them(tags: Any) -> None:
    (found,) = demands(Call(action="sns:CreateTopic", resource="*", members={"Tags": tags}))

    assert found.context == {"aws:RequestTag/a": "1", "aws:RequestTag/b": "2", "aws:TagKeys": ["a", "b"]}
