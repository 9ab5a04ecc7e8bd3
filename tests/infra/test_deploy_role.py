"""The deploy role of an environment is allowed every call of Terraform, and everything that AWS demands besides.

The sandbox's policy evaluator decides, without a sandbox: one request of each kind that needs more than a grant on a
name. `tests/e2e/test_full_environment.py` applies, changes and destroys the full environment as its deploy role.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from constructs_lib.bootstrap_stack import BootstrapStack, BootstrapStackProps
from dropbatch.sandbox import emulator
from dropbatch.sandbox.batch.authorization import _BY_MEMBER
from dropbatch.sandbox.demands import Call, Demand, demands
from dropbatch.sandbox.demands.network import MADE
from dropbatch.sandbox.demands.rows import ROWS
from dropbatch.settings import Bootstrap
from tests.authorization_reference import action_of, actions_like
from tests.constructs_lib.synthesis import Stack

ACCOUNT = "123456789012"
TAG = {"research-stack-id": "dropbatch-full"}
TAGGED = {"aws:ResourceTag/research-stack-id": "dropbatch-full"}
LISTED = [{"Key": key, "Value": value} for key, value in TAG.items()]
FUNCTION = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:dropbatch-full-arrival"
MAPPING = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:event-source-mapping:01234567-89ab-cdef-0123-456789abcdef"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/dropbatch-full-{{}}"
BOUNDARY = {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/dropbatch-boundary-full"}


def ec2(kind: str, each: str = "*") -> str:
    return f"arn:aws:ec2:eu-central-1:{ACCOUNT}:{kind}/{each}"


def specification(kind: str) -> dict[str, Any]:
    return {"TagSpecification": {"1": {"ResourceType": kind, "Tag": {"1": LISTED[0]}}}}


def named(service: str, resource: str) -> str:
    return f"arn:aws:{service}:eu-central-1:{ACCOUNT}:{resource}"


# call, its resource, the request, and the condition keys that the call itself has
REQUESTS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "lambda:CreateEventSourceMapping",
        "*",
        {"FunctionName": "dropbatch-full-arrival", "Tags": TAG},
        {"lambda:FunctionArn": FUNCTION},
    ),
    ("lambda:UpdateEventSourceMapping", MAPPING, {"BatchSize": 5}, {"lambda:FunctionArn": FUNCTION}),
    ("lambda:DeleteEventSourceMapping", MAPPING, {}, {"lambda:FunctionArn": FUNCTION}),
    ("lambda:TagResource", MAPPING, {"Tags": {"other": "x"}}, {**TAGGED, "aws:RequestTag/other": "x"}),
    ("lambda:UntagResource", MAPPING, {}, TAGGED),
    ("lambda:CreateFunction", FUNCTION, {"Role": ROLE.format("arrival.function"), "Tags": TAG}, {}),
    ("lambda:UpdateFunctionConfiguration", FUNCTION, {"Role": ROLE.format("arrival.function")}, {}),
    ("ec2:CreateVpc", "*", specification("vpc"), {}),
    ("ec2:CreateSubnet", ec2("vpc", "vpc-1"), {"VpcId": "vpc-1", **specification("subnet")}, TAGGED),
    ("ec2:CreateRouteTable", ec2("vpc", "vpc-1"), {"VpcId": "vpc-1", **specification("route-table")}, TAGGED),
    ("ec2:CreateRoute", ec2("route-table", "rtb-1"), {"RouteTableId": "rtb-1"}, TAGGED),
    ("ec2:AllocateAddress", "*", specification("elastic-ip"), {}),
    ("ec2:DisassociateAddress", ec2("elastic-ip", "eipalloc-1"), {}, TAGGED),
    (
        "ec2:CreateNatGateway",
        ec2("natgateway"),
        {"SubnetId": "subnet-1", "AllocationId": "eipalloc-1", **specification("natgateway")},
        {},
    ),
    (
        "ec2:CreateVpcEndpoint",
        ec2("vpc", "vpc-1"),
        {"VpcId": "vpc-1", "RouteTableId": {"1": "rtb-1"}, **specification("vpc-endpoint")},
        TAGGED,
    ),
    (
        "ec2:CreateSecurityGroup",
        ec2("vpc", "vpc-1"),
        {"VpcId": "vpc-1", **specification("security-group")},
        TAGGED,
    ),
    (
        "ec2:AuthorizeSecurityGroupEgress",
        ec2("security-group", "sg-1"),
        {"GroupId": "sg-1", **specification("security-group-rule")},
        TAGGED,
    ),
    (
        "ec2:ModifySecurityGroupRules",
        ec2("security-group", "sg-1"),
        {"GroupId": "sg-1", "SecurityGroupRule": {"1": {"SecurityGroupRuleId": "sgr-1"}}},
        TAGGED,
    ),
    ("ec2:RevokeSecurityGroupEgress", ec2("security-group", "sg-1"), {"GroupId": "sg-1"}, TAGGED),
    (
        "ec2:CreateFlowLogs",
        ec2("vpc", "vpc-1"),
        {
            "ResourceId": {"1": "vpc-1"},
            "DeliverLogsPermissionArn": ROLE.format("x").replace("-x", ".flow-logs"),
            **specification("vpc-flow-log"),
        },
        TAGGED,
    ),
    ("ec2:CreateLaunchTemplate", "*", specification("launch-template"), {}),
    (
        "ec2:CreateLaunchTemplateVersion",
        ec2("launch-template", "lt-1"),
        {"LaunchTemplateId": "lt-1"},
        TAGGED,
    ),
    ("sqs:CreateQueue", named("sqs", "dropbatch-full-arrival"), {"tags": TAG}, {}),
    ("sns:CreateTopic", named("sns", "dropbatch-full-people"), {"Tags": LISTED}, {}),
    ("sns:Subscribe", named("sns", "dropbatch-full-people"), {}, {"sns:Protocol": "email"}),
    ("sns:Unsubscribe", "*", {"SubscriptionArn": named("sns", "dropbatch-full-people:1")}, {}),
    ("sns:SetSubscriptionAttributes", "*", {"SubscriptionArn": named("sns", "dropbatch-full-people:1")}, {}),
    ("dynamodb:CreateTable", named("dynamodb", "table/dropbatch-full-ledger"), {"Tags": LISTED}, {}),
    ("events:PutRule", named("events", "rule/dropbatch-full-jobs"), {"Tags": LISTED}, {}),
    ("logs:CreateLogGroup", named("logs", "log-group:/dropbatch/full/jobs"), {"tags": TAG}, {}),
    ("cloudwatch:PutMetricAlarm", named("cloudwatch", "alarm:dropbatch-full-errors"), {"Tags": LISTED}, {}),
    ("ecr:CreateRepository", named("ecr", "repository/dropbatch-full"), {"tags": LISTED}, {}),
    ("ssm:PutParameter", named("ssm", "parameter/dropbatch/full"), {"Tags": LISTED}, {}),
    (
        "budgets:ModifyBudget",
        f"arn:aws:budgets::{ACCOUNT}:budget/dropbatch-full",
        {"AccountId": ACCOUNT, "ResourceTags": LISTED},
        {},
    ),
    ("budgets:ViewBudget", f"arn:aws:budgets::{ACCOUNT}:budget/dropbatch-full", {"AccountId": ACCOUNT}, {}),
    ("iam:CreateRole", ROLE.format("wordcount-lab"), {"Tags": LISTED}, BOUNDARY),
    ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/dropbatch/full/dropbatch-full-anna", {"Tags": LISTED}, BOUNDARY),
    ("iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/dropbatch/full/dropbatch-full-lab", {"Tags": LISTED}, {}),
    (
        "iam:CreateInstanceProfile",
        f"arn:aws:iam::{ACCOUNT}:instance-profile/dropbatch-full-machines",
        {"Tags": LISTED},
        {},
    ),
    (
        "iam:AddRoleToInstanceProfile",
        f"arn:aws:iam::{ACCOUNT}:instance-profile/dropbatch-full-machines",
        {"RoleName": "dropbatch-full.machines"},
        {},
    ),
    (
        "batch:CreateComputeEnvironment",
        named("batch", "compute-environment/dropbatch-full-spot-1"),
        {"computeResources": {"instanceRole": f"arn:aws:iam::{ACCOUNT}:instance-profile/dropbatch-full-machines"}},
        {},
    ),
    (
        "batch:RegisterJobDefinition",
        named("batch", "job-definition/dropbatch-full-wordcount-lab"),
        {
            "containerProperties": {
                "jobRoleArn": ROLE.format("wordcount-lab"),
                "executionRoleArn": ROLE.format("wordcount.execution"),
            }
        },
        {},
    ),
]


def of_bucket(name: str) -> dict[str, Any]:
    """Return the condition keys when S3 uses a key for a bucket with a bucket key."""
    return {
        "kms:ViaService": "s3.eu-central-1.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{name}",
    }


# Uses of the buckets' key by the smoke test's file and result.
KEY = named("kms", "key/01234567-89ab-cdef-0123-456789abcdef")
REQUESTS += [
    (f"kms:{verb}", KEY, {}, of_bucket("dropbatch-full-input-0123")) for verb in ("GenerateDataKey", "Decrypt")
]


@pytest.fixture(scope="module")
def stack() -> Stack:
    from cdktf import Testing  # noqa: PLC0415

    github = {"repository": "lab/dropbatch", "owner_id": "1", "repository_id": "2", "environments": ("full",)}
    settings = Bootstrap.model_validate({"account": {"region": "eu-central-1"}, "github": github})
    return Stack(json.loads(Testing.synth(BootstrapStack(Testing.app(), "b", BootstrapStackProps(settings=settings)))))


@pytest.fixture(scope="module")
def granted(stack: Stack) -> set[str]:
    """Return every action that a deploy role is granted."""
    patterns = {action for each in stack.rights("dropbatch-deploy-full") for action in each["Action"]}
    return {action for pattern in patterns for action in actions_like(pattern)}


@pytest.fixture(scope="module")
def policy(stack: Stack) -> list[Any]:
    """Return the deploy role's statements, in the form of the sandbox's evaluator."""
    text = json.dumps({"Statement": stack.rights("dropbatch-deploy-full")})
    text = re.sub(r"\$\{data\.aws_caller_identity[^}]*\}", ACCOUNT, text)
    text = re.sub(r"\$\{data\.aws_partition[^}]*\}", "aws", text)
    found: list[Any] = emulator.module("core.iam_evaluator").parse_policy_document(json.loads(text))
    return found


def allowed(policy: list[Any], demand: Demand) -> bool:
    evaluator = emulator.module("core.iam_evaluator")
    context: Mapping[str, Any] = {key.lower(): value for key, value in demand.context.items()}
    asked = evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/dropbatch-deploy-full/workflow",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=demand.action,
        resource_arn=demand.resource,
        region="eu-central-1",
        service_context=dict(context),
    )
    return bool(evaluator.evaluate(asked, [policy]).decision == "Allow")


def demanded(request: tuple[str, str, dict[str, Any], dict[str, Any]]) -> list[Demand]:
    """Return every check of a request; existing network resources have the environment's tag."""
    action, resource, members, context = request
    found = [Demand(action=action, resource=resource, context=context)]
    for each in demands(Call(action=action, resource=resource, members=members, account=ACCOUNT)):
        exists = ":ec2:" in each.resource and not each.resource.endswith("/*")
        found.append(Demand(action=each.action, resource=each.resource, context=TAGGED if exists else each.context))
    return found


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: each[0])
def test_every_call_of_terraform_is_allowed(policy: list[Any], request_: Any) -> None:
    refused = [(each.action, each.resource) for each in demanded(request_) if not allowed(policy, each)]

    assert refused == []


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: each[0])
def test_every_demanded_action_accepts_the_requested_resource(request_: Any) -> None:
    for each in demanded(request_):
        action = action_of(each.action)
        # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBatchFullAccess.html passes them besides.
        if each.action == "iam:PassRole" and ":instance-profile/" in each.resource:
            continue
        assert action.takes(each.resource) or each.resource == "*", f"{each.action} on {each.resource}"
        if {name for name in action.types if name} and each.resource == "*":
            assert action.name in {f"ec2:{name}" for name in ("CreateVpc", "AllocateAddress", "CreateLaunchTemplate")}


OTHERS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("lambda:CreateEventSourceMapping", "*", {}, {"lambda:FunctionArn": FUNCTION.replace("full", "prod")}),
    ("lambda:TagResource", MAPPING, {}, {"aws:ResourceTag/research-stack-id": "dropbatch-prod"}),
    ("lambda:TagResource", f"{MAPPING[:-36]}*", {}, {"aws:RequestTag/research-stack-id": "dropbatch-prod"}),
    ("lambda:TagResource", f"{MAPPING[:-36]}*", {}, {}),
    ("lambda:UntagResource", MAPPING, {}, {}),
    ("ec2:AuthorizeSecurityGroupEgress", ec2("security-group", "sg-1"), {}, {}),
    ("ec2:AuthorizeSecurityGroupEgress", ec2("security-group", "sg-1"), {}, {"aws:RequestTag/research-stack-id": "x"}),
    (
        "ec2:AuthorizeSecurityGroupEgress",
        ec2("security-group", "sg-1"),
        {},
        {"aws:RequestTag/research-stack-id": "dropbatch-full"},
    ),
    ("ec2:AuthorizeSecurityGroupEgress", ec2("security-group-rule"), {}, {}),
    ("ec2:CreateRoute", ec2("route-table", "rtb-1"), {}, {}),
    ("ec2:DisassociateAddress", ec2("elastic-ip", "eipalloc-1"), {}, {}),
    ("sns:Subscribe", named("sns", "dropbatch-prod-people"), {}, {}),
    ("iam:PassRole", ROLE.format("x").replace("full", "prod"), {}, {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("iam:PassRole", ROLE.format("x"), {}, {"iam:PassedToService": "glue.amazonaws.com"}),
    ("iam:CreateRole", ROLE.format("x"), {}, {}),
    ("kms:Decrypt", KEY, {}, of_bucket("dropbatch-prod-input-0123")),
    ("kms:Decrypt", KEY, {}, {}),
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda each: f"{each[0]} {each[3]}")
def test_resources_of_others_are_refused(policy: list[Any], other: Any) -> None:
    action, resource, _, context = other

    assert not allowed(policy, Demand(action=action, resource=resource, context=context))


# Dependent actions of a deploy role's calls, for resources that no environment has.
OF_NO_ENVIRONMENT = {
    "budgets:ModifyBudget": {"iam:CreateServiceLinkedRole": "budget actions"},
    "ec2:CreateFlowLogs": {
        f"ecs:List{kind}": "flow logs with ECS metadata"
        for kind in ("Clusters", "ContainerInstances", "Services", "TaskDefinitions", "Tasks")
    },
    "ec2:CreateLaunchTemplate": {"ssm:GetParameters": "images named by a parameter"},
    "ec2:CreateLaunchTemplateVersion": {"ssm:GetParameters": "images named by a parameter"},
    "ec2:DescribeLaunchTemplateVersions": {"ssm:GetParameters": "images named by a parameter"},
    "ec2:CreateVpcEndpoint": {
        "route53:AssociateVPCWithHostedZone": "interface endpoints",
        "ec2:DescribeSecurityGroups": "interface endpoints",
        "ec2:DescribeSubnets": "interface endpoints",
        "ec2:DescribeVpcs": "interface endpoints",
    },
    "lambda:CreateFunction": {"lambda:PassCapacityProvider": "functions on instances"},
    "sns:CreateTopic": {"iam:PassRole": "roles that log deliveries"},
    "sns:SetTopicAttributes": {"iam:PassRole": "roles that log deliveries"},
}


def test_every_taggable_call_of_a_deploy_role_demands_the_right_to_tag(granted: set[str]) -> None:
    tagging = {action for action in granted if action_of(action).level == "Tagging"}
    writing = {action for action in granted - tagging if action_of(action).level not in ("Read", "List")}
    bringing = {action for action in writing if "aws:RequestTag/" in action_of(action).condition_keys()}

    known = {row.call for row in ROWS if row.tags} | {f"ec2:{each}" for each in MADE}
    known |= {f"batch:{each}" for each in _BY_MEMBER}  # those ask by themselves
    # S3 tags a bucket on creation only if the request has tags in its body; the provider tags it afterwards:
    # https://github.com/hashicorp/terraform-provider-aws/blob/v5.100.0/internal/service/s3/bucket.go
    assert bringing - known == {"s3:CreateBucket"}


def test_every_dependent_action_of_the_deploy_role_is_demanded_or_explained(granted: set[str]) -> None:
    rows = {(row.call, row.demands) for row in ROWS} | {(f"ec2:{each}", "ec2:CreateTags") for each in MADE}
    missing = {
        (action, dependent)
        for action in granted
        for dependent in action_of(action).dependent
        if (action, dependent) not in rows and dependent not in OF_NO_ENVIRONMENT.get(action, {})
    }
    assert missing == set()
