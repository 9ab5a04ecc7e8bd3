"""Wraps for the rights of deploy roles, where MiniStack differs from AWS."""

import inspect
import urllib.error
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropbatch.sandbox import Sandbox, emulator
from tests.sandbox.batch_stack import allow, trust
from tests.sandbox.conftest import Client, Deployer
from tests.signed_requests import post

HOME = "arn:aws:{}:eu-central-1:000000000000:{}"


@pytest.fixture
def name() -> str:
    return f"w-{uuid.uuid4().hex[:8]}"


def refused(call: Callable[[], Any], resource: str) -> None:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert f"on resource: {resource}" in str(caught.value)


class TestResources:
    def test_a_right_to_one_name_does_not_allow_others(self, deployer: Deployer, name: str) -> None:
        profile = "arn:aws:iam::000000000000:instance-profile/{}"
        iam = deployer("iam", {"Action": "iam:CreateInstanceProfile", "Resource": profile.format(name)})
        iam.create_instance_profile(InstanceProfileName=name)
        refused(lambda: iam.create_instance_profile(InstanceProfileName=f"{name}x"), profile.format(f"{name}x"))

        rule = HOME.format("events", "rule/{}")
        events = deployer("events", {"Action": ["events:PutRule", "events:PutTargets"], "Resource": rule.format(name)})
        events.put_rule(Name=name, ScheduleExpression="rate(1 day)")
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": HOME.format("sqs", "q")}])
        refused(
            lambda: events.put_targets(Rule=f"{name}x", Targets=[{"Id": "1", "Arn": HOME.format("sqs", "q")}]),
            rule.format(f"{name}x"),
        )

    def test_a_right_to_one_function_does_not_allow_another(self, deployer: Deployer, name: str) -> None:
        function = HOME.format("lambda", f"function:{name}")
        functions = deployer("lambda", {"Action": "lambda:CreateFunction", "Resource": f"{function}-*"})
        role = "arn:aws:iam::000000000000:role/none"

        refused(lambda: functions.create_function(FunctionName=name, Role=role, Code={"ZipFile": b""}), function)

    def test_creating_a_budget_requires_the_action_of_aws(self, deployer: Deployer, name: str) -> None:
        arn = "arn:aws:budgets::000000000000:budget/{}"
        budgets = deployer("budgets", {"Action": "budgets:ModifyBudget", "Resource": arn.format(name)})
        body = {"TimeUnit": "MONTHLY", "BudgetType": "COST", "BudgetLimit": {"Amount": "1", "Unit": "USD"}}

        budgets.create_budget(AccountId="000000000000", Budget={"BudgetName": name, **body})
        refused(
            lambda: budgets.create_budget(AccountId="000000000000", Budget={"BudgetName": f"{name}x", **body}),
            arn.format(f"{name}x"),
        )

    def test_a_right_to_one_dashboard_does_not_allow_another(self, sandbox: Sandbox, aws: Client, name: str) -> None:
        iam = aws("iam")
        iam.create_user(UserName=name)
        arn = f"arn:aws:cloudwatch::000000000000:dashboard/{name}"
        document = allow({"Action": "cloudwatch:PutDashboard", "Resource": arn})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        environ = {
            **sandbox.environ(),
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

        def write(dashboard: str) -> str:
            form = {"Action": "PutDashboard", "Version": "2010-08-01", "DashboardBody": '{"widgets": []}'}
            return post(environ, "monitoring", DashboardName=dashboard, **form)

        assert "PutDashboardResult" in write(name)
        with pytest.raises(urllib.error.HTTPError) as caught:
            write(f"{name}x")
        assert f"on resource: {arn}x" in caught.value.read().decode()

    @pytest.mark.gap("deploy_resources")
    def test_gap_plain_ministack_checks_functions_against_everything(self) -> None:
        actions = inspect.unwrap(emulator.module("core.iam_actions").extract_resource_arn)
        asked = b'{"FunctionName": "f"}'

        assert actions("lambda", "POST", "/2015-03-31/functions", {}, asked, {}, "r", "1") == "*"
        assert actions("budgets", "POST", "/", {}, b'{"BudgetName": "b"}', {}, "r", "1") == "*"
        assert "/default/" in actions("events", "POST", "/", {}, b'{"Name": "n"}', {}, "r", "1")

    @pytest.mark.gap("budget_actions")
    def test_gap_plain_ministack_names_the_budget_action_like_the_call(self) -> None:
        action = inspect.unwrap(emulator.module("core.iam_actions").extract_iam_action)
        target = {"x-amz-target": "AWSBudgetServiceGateway.CreateBudget"}

        assert action("budgets", "POST", "/", target, b"{}", {}) == "budgets:CreateBudget"


class TestBoundaries:
    def test_a_right_to_roles_with_a_boundary_does_not_allow_one_without(
        self, aws: Client, deployer: Deployer, name: str
    ) -> None:
        boundary = aws("iam").create_policy(
            PolicyName=name, PolicyDocument=allow({"Action": "s3:GetObject", "Resource": "*"})
        )["Policy"]["Arn"]
        role = f"arn:aws:iam::000000000000:role/{name}"
        bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
        iam = deployer(
            "iam", {"Action": ["iam:CreateRole", "iam:PutRolePolicy"], "Resource": f"{role}*", "Condition": bounded}
        )
        wanted = {"AssumeRolePolicyDocument": trust("lambda.amazonaws.com")}
        everything = {"PolicyName": "p", "PolicyDocument": allow({"Action": "*", "Resource": "*"})}

        refused(lambda: iam.create_role(RoleName=name, **wanted), role)
        iam.create_role(RoleName=name, PermissionsBoundary=boundary, **wanted)
        iam.put_role_policy(RoleName=name, **everything)
        aws("iam").create_role(RoleName=f"{name}x", **wanted)
        refused(lambda: iam.put_role_policy(RoleName=f"{name}x", **everything), f"{role}x")

    @pytest.mark.gap("deploy_context")
    def test_gap_plain_ministack_has_no_boundary_in_the_context(self) -> None:
        source = inspect.getsource(inspect.unwrap(emulator.module("core.iam_actions").request_tag_context))

        assert "boundary" not in source.lower()
        assert "FunctionArn" not in source


class TestNetworkTags:
    def test_a_right_to_tagged_networks_does_not_allow_changes_of_others(
        self, aws: Client, deployer: Deployer, name: str
    ) -> None:
        tags = [{"ResourceType": "vpc", "Tags": [{"Key": "research-stack-id", "Value": name}]}]
        own = aws("ec2").create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]
        other = aws("ec2").create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
        tagged = {"StringEquals": {"aws:ResourceTag/research-stack-id": name}}
        ec2 = deployer("ec2", {"Action": "ec2:DeleteVpc", "Resource": "*", "Condition": tagged})

        refused(lambda: ec2.delete_vpc(VpcId=other), HOME.format("ec2", f"vpc/{other}"))
        ec2.delete_vpc(VpcId=own)

    @pytest.mark.gap("network_tags")
    def test_gap_plain_ministack_does_not_know_the_tags_of_a_network(self) -> None:
        assert "ec2" not in emulator.service("tagging")._RESOURCE_TAG_COLLECTORS
