"""What EventBridge may deliver to queues and topics."""

import inspect
import json
import uuid
from typing import Any

import pytest

from dropbatch.sandbox import emulator
from tests.sandbox.conftest import Client

EVENTS = {"Service": "events.amazonaws.com"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]})


class Rule:
    """A rule, a topic, a queue subscribed to the topic, and another queue."""

    def __init__(self, aws: Client, name: str) -> None:
        self.name = name
        self.sqs, self.sns, self.events, self.iam = aws("sqs"), aws("sns"), aws("events"), aws("iam")
        self.arn = self.events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.queue = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self.topic = self.sns.create_topic(Name=name)["TopicArn"]

    def send(self, **target: str) -> list[str]:
        """Return the bodies of the messages that one event caused in the queue."""
        self.events.put_targets(Rule=self.name, Targets=[{"Id": "t", **target}])
        self.events.put_events(Entries=[{"Source": self.name, "DetailType": "d", "Detail": "{}"}])
        answer = self.sqs.receive_message(QueueUrl=self.url, WaitTimeSeconds=1)
        return [each["Body"] for each in answer.get("Messages", ())]

    def set_queue_policy(self, source_arn: str) -> None:
        policy = document(
            {
                "Principal": EVENTS,
                "Action": "sqs:SendMessage",
                "Resource": self.queue,
                "Condition": {"ArnEquals": {"aws:SourceArn": source_arn}},
            }
        )
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})

    def subscribe_queue(self) -> None:
        """Subscribe the queue to the topic."""
        policy = document(
            {"Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": self.queue}
        )
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self.queue)

    def set_topic_policy(self, **more: Any) -> None:
        policy = document({"Principal": EVENTS, "Action": "sns:Publish", "Resource": self.topic, **more})
        self.sns.set_topic_attributes(TopicArn=self.topic, AttributeName="Policy", AttributeValue=policy)

    def role(self, source_arn: str, action: str) -> str:
        """Return the ARN of a role that EventBridge may assume for that rule."""
        trust = {
            "Principal": EVENTS,
            "Action": "sts:AssumeRole",
            "Condition": {"ArnEquals": {"aws:SourceArn": source_arn}},
        }
        role = self.iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=document(trust))["Role"]
        right = document({"Action": action, "Resource": self.topic})
        self.iam.put_role_policy(RoleName=self.name, PolicyName="p", PolicyDocument=right)
        return str(role["Arn"])


@pytest.fixture
def rule(aws: Client) -> Rule:
    return Rule(aws, f"e-{uuid.uuid4().hex[:8]}")


def test_a_queue_whose_policy_names_the_rule_receives_the_event(rule: Rule) -> None:
    rule.set_queue_policy(rule.arn)

    assert len(rule.send(Arn=rule.queue)) == 1


def test_a_queue_whose_policy_names_another_rule_receives_nothing(rule: Rule) -> None:
    rule.set_queue_policy(f"{rule.arn}-other")

    assert rule.send(Arn=rule.queue) == []


def test_a_topic_whose_policy_has_a_condition_receives_nothing(rule: Rule) -> None:
    rule.subscribe_queue()
    rule.set_topic_policy(Condition={"ArnEquals": {"aws:SourceArn": rule.arn}})
    assert rule.send(Arn=rule.topic) == []

    rule.set_topic_policy()
    assert len(rule.send(Arn=rule.topic)) == 1


def test_the_role_of_a_target_decides_about_delivery(rule: Rule) -> None:
    rule.subscribe_queue()
    role = rule.role(rule.arn, "sns:Publish")
    assert len(rule.send(Arn=rule.topic, RoleArn=role)) == 1

    right = document({"Action": "sns:ListTopics", "Resource": "*"})
    rule.iam.put_role_policy(RoleName=rule.name, PolicyName="p", PolicyDocument=right)
    assert rule.send(Arn=rule.topic, RoleArn=role) == []


def test_a_role_for_another_rule_delivers_nothing(rule: Rule) -> None:
    rule.subscribe_queue()

    assert rule.send(Arn=rule.topic, RoleArn=rule.role(f"{rule.arn}-other", "sns:Publish")) == []


@pytest.mark.gap("event_delivery")
def test_gap_plain_ministack_checks_no_policy_on_delivery() -> None:
    source = inspect.getsource(emulator.service("eventbridge"))
    plain = source.partition("def _dispatch_to_sqs")[2].partition("def _dispatch_to_stepfunctions")[0]

    assert "_sns.publish_internal(" in plain
    assert "policy_allows" not in plain
