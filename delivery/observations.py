"""Observations for the assumptions about AWS: calls to an account in which `delivery.acceptance` has deployed.

They look at what AWS says of things and runs, not at how the project makes them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from delivery.account import ENVIRONMENT, Acceptance, NotInSandboxError
from delivery.errors import DeliveryError

__all__ = [
    "ELSEWHERE",
    "PREFIX",
    "TAG",
    "Observation",
    "boto3_of_functions",
    "budget_costs",
    "failed_invocations",
    "needs_aws",
    "no_drift",
    "operators_line",
    "run_log",
    "service_linked_role",
    "session_length",
    "subscription_rights",
    "tagged_mappings",
    "tagged_rules",
    "watch_operators",
]

ELSEWHERE = "acceptance-elsewhere"
"""Name of an image repository and of a queue, outside the prefix that the environment's policies allow."""
PREFIX = f"dropbatch-{ENVIRONMENT}"
"""Prefix of all resource names of the environment."""
TAG = "research-stack-id"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Result of an observation."""

    held: bool | None
    """Whether the assumption is true; None if the observation does not decide."""
    text: str


def needs_aws(this: Acceptance, why: str) -> None:
    """Raise `NotInSandboxError` in the sandbox, which does not implement the feature."""
    if this.sandbox:
        raise NotInSandboxError(why)


# --- A3 to A5: rights of the deploy role ----------------------------------------------------------------------------


def tagged_mappings(this: Acceptance) -> Observation:
    """The deploy role has created event source mappings with tags."""
    mappings = this.aws("lambda", "list-event-source-mappings")["EventSourceMappings"]
    ours = [each for each in mappings if f":function:{PREFIX}-" in each["FunctionArn"]]
    tagged = []
    for each in ours:
        arn = each.get("EventSourceMappingArn")
        if arn is None:
            raise NotInSandboxError("a mapping has no ARN")
        tagged.append(this.aws("lambda", "list-tags", "--resource", arn)["Tags"].get(TAG) == PREFIX)
    return _deployed_as_role(this, "lambda:", bool(ours) and all(tagged), f"{sum(tagged)} of {len(ours)} bear the tag")


def tagged_rules(this: Acceptance) -> Observation:
    """The deploy role has created security group rules with tags."""
    found = this.aws("ec2", "describe-security-group-rules", "--filters", f"Name=tag:{TAG},Values={PREFIX}")
    count = len(found["SecurityGroupRules"])
    return _deployed_as_role(this, "ec2:", count > 0, f"{count} rules bear the tag")


def subscription_rights(this: Acceptance) -> Observation:
    """The deploy role has deleted subscriptions (observed after it destroyed the environment)."""
    topics = [each["TopicArn"] for each in this.aws("sns", "list-topics")["Topics"]]
    left = [arn for arn in topics if arn.rpartition(":")[2].startswith(f"{PREFIX}-")]
    return _deployed_as_role(this, "sns:", not left, f"{len(left)} topics are left")


def _deployed_as_role(this: Acceptance, service: str, made: bool, text: str) -> Observation:
    if not this.deployer:
        return Observation(held=None, text=f"{text}; not deployed by the deploy role: {this.no_deployer}")
    refused = sorted({each for each in this.refusals if service in each.lower()})
    if refused:
        return Observation(held=False, text=f"refused to {this.deployer}: {' / '.join(refused)[:600]}")
    return Observation(held=made, text=f"{text}; nothing of {service}* was refused to {this.deployer}")


# --- A6: messages between services -----------------------------------------------------------------------------------


def watch_operators(this: Acceptance) -> None:
    """Subscribe a queue to the operators' topic, before the first run ends."""
    topic = this.deployed()["operators_topic_arn"]
    url = this.aws("sqs", "create-queue", "--queue-name", ELSEWHERE)["QueueUrl"]
    this.cleanups.append(lambda: this.aws("sqs", "delete-queue", "--queue-url", url))
    named = ("--queue-url", url, "--attribute-names", "QueueArn")
    queue = this.aws("sqs", "get-queue-attributes", *named)["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    this.aws("sqs", "set-queue-attributes", "--queue-url", url, "--attributes", json.dumps({"Policy": policy}))
    given = ("--protocol", "sqs", "--notification-endpoint", queue, "--attributes", "RawMessageDelivery=true")
    arn = this.aws("sns", "subscribe", "--topic-arn", topic, *given)["SubscriptionArn"]
    this.cleanups.append(lambda: this.aws("sns", "unsubscribe", "--subscription-arn", arn))


def operators_line(this: Acceptance) -> Observation:
    """The operators' topic has sent a message about a run's end, as text without surrounding quotes."""
    url = this.aws("sqs", "get-queue-url", "--queue-name", ELSEWHERE)["QueueUrl"]
    lines: list[str] = []

    def told() -> bool:
        wait = ("--max-number-of-messages", "10", "--wait-time-seconds", "5")
        for message in this.aws("sqs", "receive-message", "--queue-url", url, *wait).get("Messages", []):
            lines.append(message["Body"])
            this.aws("sqs", "delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
        return any("acceptance-" in line for line in lines)

    try:
        this.until(told, "a line about a run", 60)
    except DeliveryError:
        return Observation(held=False, text=f"no line about a run; {len(lines)} others: {lines[:2]}")
    quoted = [line for line in lines if line.startswith('"')]
    return Observation(held=not quoted, text=f"{len(lines)} lines, {len(quoted)} in quotes, such as: {lines[0][:200]}")


def run_log(this: Acceptance) -> Observation:
    """The log of runs has streams that contain the first run."""
    groups = this.aws("logs", "describe-log-groups", "--log-group-name-prefix", f"/aws/events/{PREFIX}")["logGroups"]
    if not groups:
        return Observation(held=False, text=f"no log group /aws/events/{PREFIX}…")
    name = groups[0]["logGroupName"]
    streams = this.aws("logs", "describe-log-streams", "--log-group-name", name)["logStreams"]
    if not streams:
        needs_aws(this, "EventBridge writes to no log")
    events = this.aws("logs", "filter-log-events", "--log-group-name", name)["events"]
    about = [each for each in events if this.run and this.run in each["message"]]
    held = bool(streams and about)
    return Observation(
        held=held, text=f"{name}: {len(streams)} streams, {len(events)} events, {len(about)} of {this.run}"
    )


def failed_invocations(this: Acceptance) -> Observation:
    """EventBridge has invoked the targets of all rules, without failed invocations."""
    rules = [each["Name"] for each in this.aws("events", "list-rules", "--name-prefix", PREFIX)["Rules"]]
    needs_aws(this, "EventBridge has no metrics")
    sums = {metric: _sums(this, rules, metric) for metric in ("Invocations", "FailedInvocations")}
    called, failed = (sum(found.values()) for found in sums.values())
    where = [rule for rule, count in sums["FailedInvocations"].items() if count]
    if not called:
        return Observation(held=None, text=f"no metrics of {len(rules)} rules yet")
    return Observation(
        held=not failed, text=f"{len(rules)} rules: {called:.0f} invocations, {failed:.0f} failed {', '.join(where)}"
    )


def _sums(this: Acceptance, rules: Sequence[str], metric: str) -> dict[str, float]:
    now = datetime.now(UTC)
    span = ("--start-time", (now - timedelta(hours=3)).isoformat(), "--end-time", now.isoformat(), "--period", "10800")
    found = {}
    for rule in rules:
        which = ("--namespace", "AWS/Events", "--metric-name", metric, "--dimensions", f"Name=RuleName,Value={rule}")
        answer = this.aws("cloudwatch", "get-metric-statistics", *which, *span, "--statistics", "Sum")
        found[rule] = sum(each["Sum"] for each in answer["Datapoints"])
    return found


# --- A9 and minors --------------------------------------------------------------------------------------------------


def budget_costs(this: Acceptance) -> Observation:
    """The budget counts usage even if credits pay for it."""
    account = this.aws("sts", "get-caller-identity")["Account"]
    found = this.aws("budgets", "describe-budget", "--account-id", account, "--budget-name", PREFIX)["Budget"]
    types = found.get("CostTypes", {})
    counted = {name: types.get(name) for name in ("IncludeCredit", "IncludeRefund")}
    return Observation(held=set(counted.values()) == {False}, text=json.dumps(counted))


def no_drift(this: Acceptance) -> Observation:
    """A second deploy right after the first would change nothing, in particular no volumes of job definitions."""
    changes = this.plan()
    return Observation(held=not changes, text=", ".join(changes) or "a second plan is empty")


def service_linked_role(this: Acceptance) -> Observation:
    """AWS refuses to create an existing service-linked role; bootstrap must avoid this error."""
    error = this.refused("iam", "create-service-linked-role", "--aws-service-name", "batch.amazonaws.com")
    if error is None:
        return Observation(held=False, text="created a second time: accepted")
    taken = "has been taken in this account" in error
    if not taken:
        needs_aws(this, f"it is refused there in other words: {error[-100:]}")
    return Observation(held=taken or None, text=f"created a second time: {error[-200:]}")


def boto3_of_functions(this: Acceptance) -> Observation:
    """No function has reported that Lambda's boto3 is too old for its requests."""
    needs_aws(this, "functions run with the project's own boto3")
    found = this.aws("logs", "describe-log-groups", "--log-group-name-prefix", f"/aws/lambda/{PREFIX}-")["logGroups"]
    names = [each["logGroupName"] for each in found]
    pattern = ("--filter-pattern", '"needs botocore"')
    said = [
        each["message"]
        for name in names
        for each in this.aws("logs", "filter-log-events", "--log-group-name", name, *pattern)["events"]
    ]
    return Observation(held=bool(names) and not said, text=said[0] if said else f"{len(names)} logs say nothing of it")


def session_length(this: Acceptance) -> Observation:
    """Sessions of the deploy role can last as long as the workflow's apply job may run."""
    if not this.deployer:
        return Observation(held=None, text=this.no_deployer)
    name = this.deployer.rpartition("/")[2]
    seconds = this.aws("iam", "get-role", "--role-name", name)["Role"].get("MaxSessionDuration", 3600)
    return Observation(held=seconds >= 7200, text=f"{name}: sessions of up to {seconds} s")
