"""Wraps that check the further rights a call needs, such as iam:PassRole, which MiniStack does not check."""

import inspect
import io
import json
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropbatch.sandbox import emulator
from tests.sandbox.batch_stack import trust
from tests.sandbox.conftest import Client, Deployer

HOME = "arn:aws:{}:eu-central-1:000000000000:{}"


@pytest.fixture
def name() -> str:
    return f"d-{uuid.uuid4().hex[:8]}"


def refused(call: Callable[[], Any], action: str, resource: str) -> None:
    with pytest.raises(ClientError) as caught:
        call()
    assert f"not authorized to perform: {action} on resource: {resource}" in str(caught.value)


def code() -> dict[str, bytes]:
    """A function's code."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.py", "def b(event, context): pass")
    return {"ZipFile": buffer.getvalue()}


@pytest.fixture
def mapping(aws: Client, name: str) -> dict[str, str]:
    """A queue, and a function to map it to."""
    role = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))["Role"]["Arn"]
    aws("sqs").create_queue(QueueName=name)
    made = aws("lambda").create_function(FunctionName=name, Role=role, Code=code(), Runtime="python3.11", Handler="a.b")
    return {"EventSourceArn": HOME.format("sqs", name), "FunctionName": made["FunctionArn"]}


class TestMappings:
    def test_creating_a_tagged_mapping_requires_the_right_to_tag(
        self, deployer: Deployer, mapping: dict[str, str]
    ) -> None:
        mappings = HOME.format("lambda", "event-source-mapping:*")
        make = {"Action": "lambda:CreateEventSourceMapping", "Resource": "*"}
        tag = {
            "Action": "lambda:TagResource",
            "Resource": mappings,
            "Condition": {"StringEquals": {"aws:RequestTag/lab": "mine"}},
        }

        functions = deployer("lambda", make)
        refused(
            lambda: functions.create_event_source_mapping(**mapping, Tags={"lab": "mine"}),
            "lambda:TagResource",
            mappings,
        )
        functions = deployer("lambda", make, tag)
        refused(
            lambda: functions.create_event_source_mapping(**mapping, Tags={"lab": "others"}),
            "lambda:TagResource",
            mappings,
        )
        assert functions.create_event_source_mapping(**mapping, Tags={"lab": "mine"})["UUID"]

    def test_rights_to_mappings_of_one_function_do_not_allow_deleting_those_of_another(
        self, aws: Client, deployer: Deployer, mapping: dict[str, str]
    ) -> None:
        made = aws("lambda").create_event_source_mapping(**mapping)["UUID"]
        arn = HOME.format("lambda", f"event-source-mapping:{made}")

        def may(function: str) -> Any:
            condition = {"ArnLike": {"lambda:FunctionArn": function}}
            return deployer("lambda", {"Action": "lambda:Delete*", "Resource": "*", "Condition": condition})

        functions = may(f"{mapping['FunctionName']}-other")
        refused(lambda: functions.delete_event_source_mapping(UUID=made), "lambda:DeleteEventSourceMapping", arn)
        assert may(mapping["FunctionName"]).delete_event_source_mapping(UUID=made)["UUID"] == made

    def test_rights_to_tagged_mappings_allow_tagging_own_mappings_only(
        self, aws: Client, deployer: Deployer, mapping: dict[str, str]
    ) -> None:
        made = aws("lambda").create_event_source_mapping(**mapping, Tags={"lab": "mine"})["UUID"]
        arn = HOME.format("lambda", f"event-source-mapping:{made}")

        def may(lab: str) -> Any:
            condition = {"StringEquals": {"aws:ResourceTag/lab": lab}}
            return deployer("lambda", {"Action": "lambda:TagResource", "Resource": "*", "Condition": condition})

        functions = may("others")
        refused(lambda: functions.tag_resource(Resource=arn, Tags={"x": "y"}), "lambda:TagResource", arn)
        may("mine").tag_resource(Resource=arn, Tags={"x": "y"})

    @pytest.mark.gap("mapping_actions")
    def test_gap_plain_ministack_checks_another_action_when_a_mapping_is_deleted(self) -> None:
        action = inspect.unwrap(emulator.module("core.iam_actions").extract_iam_action)

        path = "/2015-03-31/event-source-mappings/0123"
        assert action("lambda", "GET", path, {}, b"", {}) == "lambda:ListEventSourceMappings"

    @pytest.mark.gap("mapping_context")
    def test_gap_plain_ministack_does_not_know_the_tags_of_a_mapping(self) -> None:
        collectors = emulator.service("tagging")._RESOURCE_TAG_COLLECTORS

        assert "_esms" not in inspect.getsource(collectors["lambda"])
        assert "FunctionArn" not in inspect.getsource(emulator.module("core.iam_evaluator"))


class TestNetwork:
    def test_adding_a_tagged_rule_requires_rights_on_the_rule(self, aws: Client, deployer: Deployer, name: str) -> None:
        def tags(kind: str) -> list[dict[str, Any]]:
            return [{"ResourceType": kind, "Tags": [{"Key": "lab", "Value": name}]}]

        vpc = aws("ec2").create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]["VpcId"]
        group = aws("ec2").create_security_group(
            GroupName=name, Description="d", VpcId=vpc, TagSpecifications=tags("security-group")
        )["GroupId"]
        rule = {
            "GroupId": group,
            "IpPermissions": [
                {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
            ],
        }
        add, rules = "ec2:AuthorizeSecurityGroupEgress", HOME.format("ec2", "security-group-rule/*")
        owned = {"Action": add, "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/lab": name}}}
        new = {"Action": add, "Resource": rules, "Condition": {"StringEquals": {"aws:RequestTag/lab": name}}}
        made = {"Action": "ec2:CreateTags", "Resource": "*"}
        made["Condition"] = {"StringEquals": {"ec2:CreateAction": "AuthorizeSecurityGroupEgress"}}  # type: ignore[assignment]

        def adding(*statements: dict[str, Any]) -> Callable[[], Any]:
            ec2 = deployer("ec2", *statements)
            return lambda: ec2.authorize_security_group_egress(**rule, TagSpecifications=tags("security-group-rule"))

        refused(adding(owned), add, rules)
        refused(adding(owned, new), "ec2:CreateTags", rules)
        assert adding(owned, new, made)()["Return"]

    def test_rights_to_tagged_networks_do_not_allow_untagged_ones(self, deployer: Deployer, name: str) -> None:
        vpcs = HOME.format("ec2", "vpc/*")
        new = {"Action": "ec2:CreateVpc", "Resource": vpcs}
        new["Condition"] = {"StringEquals": {"aws:RequestTag/lab": name}}  # type: ignore[assignment]
        ec2 = deployer("ec2", new, {"Action": "ec2:CreateTags", "Resource": vpcs})
        tags = [{"ResourceType": "vpc", "Tags": [{"Key": "lab", "Value": name}]}]

        refused(lambda: ec2.create_vpc(CidrBlock="10.5.0.0/16"), "ec2:CreateVpc", vpcs)
        assert ec2.create_vpc(CidrBlock="10.5.0.0/16", TagSpecifications=tags)["Vpc"]

    def test_creating_a_route_requires_rights_on_the_route_table(self, deployer: Deployer) -> None:
        ec2 = deployer("ec2", {"Action": "ec2:CreateRoute", "Resource": HOME.format("ec2", "route-table/rtb-other")})
        route = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"}

        refused(
            lambda: ec2.create_route(RouteTableId="rtb-1", **route),
            "ec2:CreateRoute",
            HOME.format("ec2", "route-table/rtb-1"),
        )


class TestRoles:
    def test_creating_a_function_requires_the_right_to_pass_its_role(
        self, aws: Client, deployer: Deployer, name: str
    ) -> None:
        role = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
        arn = role["Role"]["Arn"]
        make = {"Action": "lambda:CreateFunction", "Resource": "*"}
        wanted = {"FunctionName": name, "Role": arn, "Code": code()}
        wanted |= {"Runtime": "python3.11", "Handler": "a.b"}

        def passing(service: str) -> dict[str, Any]:
            condition = {"StringEquals": {"iam:PassedToService": service}}
            return {"Action": "iam:PassRole", "Resource": arn, "Condition": condition}

        functions = deployer("lambda", make, passing("ec2.amazonaws.com"))
        refused(lambda: functions.create_function(**wanted), "iam:PassRole", arn)
        assert deployer("lambda", make, passing("lambda.amazonaws.com")).create_function(**wanted)["FunctionArn"]

    def test_creating_an_environment_requires_the_right_to_pass_the_role_of_its_profile(
        self, aws: Client, deployer: Deployer, name: str
    ) -> None:
        role = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))["Role"]["Arn"]
        profile = aws("iam").create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
        aws("iam").add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        make = {"Action": "batch:CreateComputeEnvironment", "Resource": "*"}
        wanted = {
            "computeEnvironmentName": name,
            "type": "MANAGED",
            "computeResources": {
                "type": "EC2",
                "minvCpus": 0,
                "maxvCpus": 8,
                "instanceTypes": ["optimal"],
                "subnets": ["subnet-1"],
                "instanceRole": profile,
            },
        }

        batch = deployer("batch", make, {"Action": "iam:PassRole", "Resource": profile})
        refused(lambda: batch.create_compute_environment(**wanted), "iam:PassRole", role)
        batch = deployer("batch", make, {"Action": "iam:PassRole", "Resource": [profile, role]})
        assert batch.create_compute_environment(**wanted)["computeEnvironmentName"] == name


class TestSubscriptions:
    def test_ending_a_subscription_cannot_be_limited_to_the_topic(
        self, aws: Client, deployer: Deployer, name: str
    ) -> None:
        topic = aws("sns").create_topic(Name=name)["TopicArn"]
        arn = aws("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=HOME.format("sqs", name), ReturnSubscriptionArn=True
        )["SubscriptionArn"]

        sns = deployer("sns", {"Action": "sns:Unsubscribe", "Resource": f"{topic}*"})
        refused(lambda: sns.unsubscribe(SubscriptionArn=arn), "sns:Unsubscribe", "*")
        deployer("sns", {"Action": "sns:Unsubscribe", "Resource": "*"}).unsubscribe(SubscriptionArn=arn)


@pytest.mark.gap("demands")
def test_gap_plain_ministack_checks_neither_passed_roles_nor_tags() -> None:
    source = inspect.getsource(emulator.module("core.iam_actions")) + inspect.getsource(emulator.module("app"))

    assert "PassRole" not in source
    assert "CreateAction" not in source


def test_tags_of_flow_logs_are_kept(aws: Client, name: str) -> None:
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.4.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestination=HOME.format("logs", f"log-group:{name}"),
        TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "lab", "Value": name}]}],
    )["FlowLogIds"]

    (found,) = ec2.describe_flow_logs(FlowLogIds=made)["FlowLogs"]
    assert json.dumps(found["Tags"]) == json.dumps([{"Key": "lab", "Value": name}])
