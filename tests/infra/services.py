"""Services that call services, as AWS documents them: under which principal, with which rights and conditions.

Each row names its sources. `test_services.py` compares the stacks with the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["PAIRS", "TRUSTS", "Pair", "Trust"]

_GUIDE = "https://docs.aws.amazon.com"
_EVENTS = f"{_GUIDE}/eventbridge/latest/userguide"
_BY_RULE = f"{_EVENTS}/eb-use-resource-based.html"

ARN, ACCOUNT = "aws:SourceArn", "aws:SourceAccount"
Way = Literal["policy", "role", "none"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One kind of call between two services."""

    caller: str
    """Terraform's type of the calling resource."""
    called: str
    """Terraform's type of the called resource, or the protocol of a subscription."""
    way: Way
    """The place of the right: the policy of the called resource, a role of the caller, or none."""
    principals: tuple[str, ...] = ()
    """Services that the policy, or the role's trust, must name."""
    actions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The documented actions, each with its documented condition keys."""
    not_needed: Mapping[str, str] = field(default_factory=dict)
    """Documented actions that are not granted, with the reason."""
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Condition keys that are documented for the trust in a service."""

    service: str
    keys: frozenset[str] = frozenset()
    source: str


def _under(keys: tuple[str, ...], *actions: str) -> dict[str, frozenset[str]]:
    return {action: frozenset(keys) for action in actions}


PAIRS = (
    Pair(
        caller="aws_s3_bucket_notification",
        called="aws_sqs_queue",
        way="policy",
        principals=("s3.amazonaws.com",),
        actions=_under((ARN, ACCOUNT), "sqs:SendMessage"),
        sources=(f"{_GUIDE}/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html",),
    ),
    Pair(
        caller="aws_cloudwatch_event_target",
        called="aws_sqs_queue",
        way="policy",
        principals=("events.amazonaws.com",),
        actions=_under((ARN,), "sqs:SendMessage"),
        sources=(f"{_BY_RULE}#eb-sqs-permissions",),
    ),
    # "You can't use Condition blocks in Amazon SNS topic policies for EventBridge": hence a role, not the policy.
    Pair(
        caller="aws_cloudwatch_event_target",
        called="aws_sns_topic",
        way="role",
        principals=("events.amazonaws.com",),
        actions=_under((), "sns:Publish"),
        sources=(
            f"{_BY_RULE}#eb-sns-permissions",
            "https://aws.amazon.com/about-aws/whats-new/2025/03/amazon-eventbridge-iam-execution-role-all-targets/",
            "https://github.com/aws/aws-cdk/pull/34259",
        ),
    ),
    Pair(
        caller="aws_cloudwatch_event_target",
        called="aws_cloudwatch_log_group",
        way="policy",
        principals=("events.amazonaws.com", "delivery.logs.amazonaws.com"),
        actions={**_under((), "logs:CreateLogStream"), **_under((ARN,), "logs:PutLogEvents")},
        sources=(
            f"{_BY_RULE}#eb-cloudwatchlogs-permissions",
            "https://github.com/aws-samples/serverless-patterns/pull/618",
        ),
    ),
    Pair(
        caller="aws_cloudwatch_event_target",
        called="aws_lambda_function",
        way="policy",
        principals=("events.amazonaws.com",),
        actions=_under((ARN,), "lambda:InvokeFunction"),
        sources=(f"{_BY_RULE}#eb-lambda-permissions",),
    ),
    Pair(
        caller="aws_sns_topic_subscription",
        called="lambda",
        way="policy",
        principals=("sns.amazonaws.com",),
        actions=_under((ARN,), "lambda:InvokeFunction"),
        sources=(f"{_GUIDE}/lambda/latest/dg/with-sns.html",),
    ),
    Pair(
        caller="aws_sns_topic_subscription",
        called="email",
        way="none",  # the address confirms
        sources=(f"{_GUIDE}/sns/latest/dg/sns-email-notifications.html",),
    ),
    Pair(
        caller="aws_budgets_budget",
        called="aws_sns_topic",
        way="policy",
        principals=("budgets.amazonaws.com",),
        actions=_under((ARN, ACCOUNT), "sns:Publish"),
        sources=(f"{_GUIDE}/cost-management/latest/userguide/budgets-sns-policy.html",),
    ),
    Pair(
        caller="aws_cloudwatch_metric_alarm",
        called="aws_sns_topic",
        way="policy",
        principals=("cloudwatch.amazonaws.com",),
        actions=_under((ARN, ACCOUNT), "sns:Publish"),
        sources=(f"{_GUIDE}/sns/latest/dg/sns-access-policy-use-cases.html",),
    ),
    Pair(
        caller="aws_lambda_event_source_mapping",
        called="aws_sqs_queue",
        way="role",
        principals=("lambda.amazonaws.com",),
        actions=_under((), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
        sources=(f"{_GUIDE}/lambda/latest/dg/services-sqs-configure.html",),
    ),
    Pair(
        caller="aws_lambda_function",
        called="aws_cloudwatch_log_group",
        way="role",
        principals=("lambda.amazonaws.com",),
        actions=_under((), "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
        not_needed={"logs:CreateLogGroup": "Terraform makes the group before the function"},
        sources=(f"{_GUIDE}/lambda/latest/dg/monitoring-cloudwatchlogs.html",),
    ),
    Pair(
        caller="aws_flow_log",
        called="aws_cloudwatch_log_group",
        way="role",
        principals=("vpc-flow-logs.amazonaws.com",),
        actions=_under(
            (),
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "logs:DescribeLogGroups",
            "logs:DescribeLogStreams",
        ),
        # AWS's CDK grants neither: aws-ec2/lib/vpc-flow-logs.ts in https://github.com/aws/aws-cdk
        not_needed={
            "logs:CreateLogGroup": "Terraform makes the group before the flow log",
            "logs:DescribeLogGroups": "the group is known to exist",
        },
        sources=(f"{_GUIDE}/vpc/latest/userguide/flow-logs-iam-role.html",),
    ),
    Pair(
        caller="aws_sqs_queue_redrive_policy",
        called="aws_sqs_queue",
        way="none",  # the queue of dead letters says from whom it takes them, in its redrive_allow_policy
        sources=(f"{_GUIDE}/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html",),
    ),
)

TRUSTS = (
    Trust(service="lambda.amazonaws.com", source=f"{_GUIDE}/lambda/latest/dg/lambda-intro-execution-role.html"),
    Trust(service="ec2.amazonaws.com", source=f"{_GUIDE}/batch/latest/userguide/instance_IAM_role.html"),
    Trust(
        service="ecs-tasks.amazonaws.com",
        keys=frozenset((ARN, ACCOUNT)),
        source=f"{_GUIDE}/AmazonECS/latest/developerguide/task-iam-roles.html",
    ),
    Trust(
        service="vpc-flow-logs.amazonaws.com",
        keys=frozenset((ARN, ACCOUNT)),
        source=f"{_GUIDE}/vpc/latest/userguide/flow-logs-iam-role.html",
    ),
    Trust(
        service="events.amazonaws.com",
        keys=frozenset((ARN, ACCOUNT)),
        source=f"{_EVENTS}/eb-use-conditions.html",
    ),
)
