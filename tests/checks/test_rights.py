"""Policies that AWS would refuse or misread are reported with the rule they break."""

import json
from typing import Any

import pytest

from checks.rights.documents import Document, UnreadableError, documents
from checks.rights.reference import actions, page
from checks.rights.rules import check, matches

TOPIC = "arn:aws:sns:eu-central-1:123456789012:dropbatch-dev-people"
BUCKET = "arn:aws:s3:::dropbatch-dev-input"
BATCH = "arn:aws:batch:eu-central-1:123456789012:"


def statement(action: str | list[str], *resources: str, **more: Any) -> dict[str, Any]:
    return {"Sid": "Try", "Effect": "Allow", "Action": action, "Resource": list(resources), **more}


def said(*statements: dict[str, Any]) -> list[str]:
    return [str(each) for each in check(Document(stack="dev", resource="aws_x.Y.policy", statements=statements))]


def only(key: str, value: str = "x") -> dict[str, Any]:
    return {"StringEquals": {key: value}}


RIGHT = [
    statement("sns:Publish", TOPIC),
    statement(["sns:Unsubscribe", "sns:GetSubscriptionAttributes"], "*"),
    statement("s3:Get*", f"{BUCKET}/*"),
    statement("s3:ListBucket", BUCKET, Condition={"StringLike": {"s3:prefix": ["lab/*"]}}),
    statement("S3:listbucket", BUCKET),
    statement("sns:TagResource", TOPIC, Condition=only("aws:RequestTag/a")),
    statement("logs:CreateLogStream", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/events/x:*"),
    statement("ssm:GetParameter*", "arn:*:ssm:*:*:parameter/dropbatch/*"),
    statement("iam:PassRole", "arn:aws:iam::123456789012:role/x", Condition=only("iam:PassedToService")),
    statement("sqs:*", "arn:aws:sqs:eu-central-1:123456789012:q", Condition={"Bool": {"aws:SecureTransport": "false"}}),
    statement("batch:SubmitJob", f"{BATCH}job-queue/q", f"{BATCH}job-definition/d", f"{BATCH}job/*"),
    {
        "Sid": "Assume",
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": only("token.actions.githubusercontent.com:sub"),
    },
]

WRONG = [
    (statement("sns:Publsh", TOPIC), "an action must exist, got sns:Publsh: correct its name"),
    (statement("sqs:*MessageBatch", "*"), "an action must exist, got sqs:*MessageBatch"),
    (statement("snss:Publish", TOPIC), "an action must exist, got snss:Publish"),
    (
        statement(["sns:Subscribe", "sns:Unsubscribe"], TOPIC),
        f'sns:Unsubscribe has no resource type that every call names, so it needs "*", got {TOPIC}: grant it on "*"',
    ),
    (statement("sns:SetSubscriptionAttributes", f"{TOPIC}*"), 'so it needs "*"'),
    (statement("ecr:GetAuthorizationToken", "arn:aws:ecr:eu-central-1:123456789012:repository/x"), 'it needs "*"'),
    (
        statement("s3:ListBucket", f"{BUCKET}/*"),
        f"s3:ListBucket must be granted on a resource of a type that it has, got {BUCKET}/*: grant it on arn:",
    ),
    (statement("s3:GetObject", BUCKET), "s3:GetObject must be granted on a resource of a type that it has"),
    (
        statement("s3:GetObject", BUCKET, f"{BUCKET}/*"),
        f"a resource must be of a type that one of the statement's actions has, got {BUCKET}: remove it",
    ),
    (
        statement("batch:SubmitJob", f"{BATCH}job-queue/q", f"{BATCH}job-definition/d"),
        "batch:SubmitJob must be granted on each type of resource that it requires, got none of type job: add such an "
        "ARN (arn:${Partition}:batch:${Region}:${Account}:job/${JobId})",
    ),
    (
        statement("sns:Publish", TOPIC, Condition=only("sns:Protocol")),
        "a condition key must exist for the action on that type of resource, got sns:Protocol for sns:Publish",
    ),
    (statement("sns:Publish", TOPIC, Condition=only("aws:SourceAcount")), "got aws:SourceAcount for sns:Publish"),
    (statement("sns:Publish", TOPIC, Condition=only("aws:RequestTag/a")), "got aws:RequestTag/a for sns:Publish"),
    (
        statement(
            "ec2:AuthorizeSecurityGroupEgress",
            "arn:aws:ec2:eu-central-1:123456789012:security-group-rule/*",
            Condition=only("aws:ResourceTag/research-stack-id"),
        ),
        "got aws:ResourceTag/research-stack-id for ec2:AuthorizeSecurityGroupEgress",
    ),
    (
        statement("ec2:AuthorizeSecurityGroupEgress", "*", Condition=only("aws:ResourceTag/research-stack-id")),
        "got aws:ResourceTag/research-stack-id for ec2:AuthorizeSecurityGroupEgress on security-group-rule, on which",
    ),
    (
        {"Sid": "Try", "Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
        "a policy must say what it grants, got NotAction: list the contrary",
    ),
]


@pytest.mark.parametrize("right", RIGHT)
def test_a_valid_policy_is_accepted(right: dict[str, Any]) -> None:
    assert said(right) == []


@pytest.mark.parametrize(("wrong", "expected"), WRONG)
def test_an_invalid_policy_is_reported_with_its_rule(wrong: dict[str, Any], expected: str) -> None:
    found = [each for each in said(wrong) if expected in each]

    assert len(found) == 1, said(wrong)
    assert found[0].startswith("dev: aws_x.Y.policy: Try: ")
    assert "; see https://docs.aws.amazon.com/service-authorization/latest/reference/" in found[0]


def test_a_type_without_the_condition_key_may_be_granted_by_another_statement() -> None:
    tagged = statement("ec2:AuthorizeSecurityGroupEgress", "*", Condition=only("aws:ResourceTag/a"))
    rules = "arn:aws:ec2:eu-central-1:123456789012:security-group-rule/*"

    assert said(tagged, statement("ec2:Authorize*", rules, Condition=only("aws:RequestTag/a"))) == []


def test_required_types_may_be_granted_by_several_statements() -> None:
    one = statement("batch:SubmitJob", f"{BATCH}job-queue/q", f"{BATCH}job/*")

    assert said(one, statement("batch:SubmitJob", f"{BATCH}job-definition/d")) == []


@pytest.mark.parametrize(
    ("pattern", "form", "same"),
    [
        ("arn:aws:s3:::b", "arn:${Partition}:s3:::${BucketName}", True),
        ("arn:aws:s3:::b/*", "arn:${Partition}:s3:::${BucketName}", False),
        ("arn:aws:s3:::*", "arn:${Partition}:s3:::${BucketName}/${ObjectName}", True),
        ("arn:aws:s3:::b/a/*/c-?", "arn:${Partition}:s3:::${BucketName}/${ObjectName}", True),
        ("arn:*", "arn:${Partition}:sns:${Region}:${Account}:${TopicName}", True),
        ("arn:aws:sns:*:*:a:*", "arn:${Partition}:sns:${Region}:${Account}:${TopicName}", False),
        ("arn:aws:sns:*", "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}", False),
        ("arn:aws:iam::1:role/a/b-*", "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}", True),
        ("arn:aws:iam::1:role/", "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}", False),
    ],
)
def test_patterns_match_forms_of_arns(pattern: str, form: str, same: bool) -> None:
    assert matches(pattern, form) is same


def test_a_policy_is_found_anywhere_in_a_stack() -> None:
    text = json.dumps({"Statement": [statement("sns:Publish", "${aws_sns_topic.People_Topic_0123ABCD.arn}")]})
    body = {
        "resource": {
            "aws_sqs_queue": {"Jobs_Queue_0123ABCD": {"name": "jobs", "policy": text}},
            "aws_new_thing": {"Some": {"settings": [{"rule": text}]}},
            "aws_ecr_lifecycle_policy": {"Expire": {"policy": '{"rules": []}'}},
            "aws_lambda_permission": {"May": {"action": "lambda:InvokeFunction", "principal": "sns.amazonaws.com"}},
        }
    }
    found = {each.resource: each for each in documents("dev", body)}

    assert found.keys() == {"aws_sqs_queue.Jobs_Queue.policy", "aws_new_thing.Some.rule", "aws_lambda_permission.May"}
    (resolved,) = found["aws_sqs_queue.Jobs_Queue.policy"].statements
    assert resolved["Resource"] == ["arn:aws:sns:eu-central-1:123456789012:named"]
    assert [fault for each in found.values() for fault in check(each)] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${local.policy}", r"dev: aws_iam_policy.Some.policy: policy must be JSON text, got .*: make it with"),
        (
            json.dumps({"Statement": [statement("sns:Publish", "${aws_new_thing.Some.arn}")]}),
            "must refer to resources whose ARN is known here, got aws_new_thing: add it to _ARNS",
        ),
    ],
)
def test_an_unreadable_policy_is_reported(text: str, expected: str) -> None:
    with pytest.raises(UnreadableError, match=expected):
        list(documents("dev", {"resource": {"aws_iam_policy": {"Some": {"policy": text}}}}))


def test_the_reference_covers_all_of_aws() -> None:
    assert len(actions("ec2:*")) > 700
    assert page("iam").endswith("/list_awsidentityandaccessmanagementiam.html")
