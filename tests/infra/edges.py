"""The services of a synthesized stack that call each other, found in its configuration, and their rights."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.constructs_lib.synthesis import Stack

__all__ = ["Edge", "Grant", "edges_of", "grants_for", "is_from", "service_grants"]

_REFERENCE = re.compile(r"\$\{(aws_\w+)\.([\w-]+)\.\w+\}")
_NAMES = {"aws_lambda_function": "function_name"}


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One resource that is configured to call another."""

    caller: str
    """Type of the configuring resource."""
    called: str
    """Type of the called resource, or the protocol of a subscription."""
    by_role: bool
    source: str
    """Address of the calling resource, such as a rule."""
    target: str
    """Address of the called resource; an endpoint as it is."""
    role: str = ""
    """Address of the role, if the call is made by one."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One action that a statement allows to one service."""

    where: str
    """Address of the resource that has the policy."""
    service: str
    action: str
    keys: frozenset[str]
    sources: tuple[str, ...]
    """Values of ``aws:SourceArn``."""


def _address(reference: str) -> str:
    found = _REFERENCE.match(reference)
    assert found, f"a reference to a resource is needed, got {reference}"
    return f"{found[1]}.{found[2]}"


def _type(address: str) -> str:
    return address.partition(".")[0]


def _each(stack: Stack, type_: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for id_, body in stack.body["resource"].get(type_, {}).items():
        yield f"{type_}.{id_}", body


def _function_role(stack: Stack, function: str) -> str:
    type_, _, id_ = function.partition(".")
    return _address(stack.body["resource"][type_][id_]["role"])


def edges_of(stack: Stack) -> list[Edge]:
    """Return every target, notification, subscription, action, subscriber, mapping and log of the stack."""
    found = [*_of_events(stack), *_of_topics(stack), *_of_functions(stack)]
    for _, body in _each(stack, "aws_s3_bucket_notification"):
        for key in ("queue", "topic", "lambda_function"):
            for each in body.get(key, ()):
                arn = each.get(f"{key}_arn") or each["lambda_function_arn"]
                found.append(_edge("aws_s3_bucket_notification", _address(body["bucket"]), _address(arn)))
    for _, body in _each(stack, "aws_flow_log"):
        role, vpc = _address(body["iam_role_arn"]), _address(body["vpc_id"])
        found.append(_edge("aws_flow_log", vpc, _address(body["log_destination"]), role))
    for _, body in _each(stack, "aws_sqs_queue_redrive_policy"):
        dead = _address(json.loads(body["redrive_policy"])["deadLetterTargetArn"])
        found.append(_edge("aws_sqs_queue_redrive_policy", _address(body["queue_url"]), dead))
    return found


def _edge(caller: str, source: str, target: str, role: str = "") -> Edge:
    return Edge(caller=caller, called=_type(target), by_role=bool(role), source=source, target=target, role=role)


def _of_events(stack: Stack) -> Iterator[Edge]:
    for _, body in _each(stack, "aws_cloudwatch_event_target"):
        role = _address(body["role_arn"]) if "role_arn" in body else ""
        yield _edge("aws_cloudwatch_event_target", _address(body["rule"]), _address(body["arn"]), role)
        if "dead_letter_config" in body:
            yield _edge("dead_letter_config", _address(body["rule"]), _address(body["dead_letter_config"]["arn"]))


def _of_topics(stack: Stack) -> Iterator[Edge]:
    for _, body in _each(stack, "aws_sns_topic_subscription"):
        topic, protocol = _address(body["topic_arn"]), body["protocol"]
        target = body["endpoint"] if protocol == "email" else _address(body["endpoint"])
        yield Edge(caller="aws_sns_topic_subscription", called=protocol, by_role=False, source=topic, target=target)
    for alarm, body in _each(stack, "aws_cloudwatch_metric_alarm"):
        actions = {each for key in ("alarm", "ok", "insufficient_data") for each in body.get(f"{key}_actions", ())}
        for action in sorted(actions):
            yield _edge("aws_cloudwatch_metric_alarm", alarm, _address(action))
    for budget, body in _each(stack, "aws_budgets_budget"):
        topics = {each for notice in body["notification"] for each in notice.get("subscriber_sns_topic_arns", ())}
        for topic in sorted(topics):
            yield _edge("aws_budgets_budget", budget, _address(topic))


def _of_functions(stack: Stack) -> Iterator[Edge]:
    for _, body in _each(stack, "aws_lambda_event_source_mapping"):
        function = _address(body["function_name"])
        queue = _address(body["event_source_arn"])
        yield _edge("aws_lambda_event_source_mapping", function, queue, _function_role(stack, function))
    for function, body in _each(stack, "aws_lambda_function"):
        log = _address(body["logging_config"]["log_group"])
        yield _edge("aws_lambda_function", function, log, _address(body["role"]))


def _name(stack: Stack, address: str) -> str:
    type_, _, id_ = address.partition(".")
    return str(stack.body["resource"][type_][id_].get(_NAMES.get(type_, "name"), ""))


def _grants(where: str, policy: str) -> Iterator[tuple[Grant, list[str]]]:
    for statement in json.loads(policy)["Statement"]:
        principal = statement.get("Principal", {})
        if statement["Effect"] != "Allow":
            continue
        service = principal.get("Service", "") if isinstance(principal, dict) else ""
        tests = statement.get("Condition", {}).values()
        keys = frozenset(key for test in tests for key in test)
        arns = [test["aws:SourceArn"] for test in tests if "aws:SourceArn" in test]
        for action in statement["Action"]:
            grant = Grant(where=where, service=service, action=action, keys=keys, sources=tuple(arns))
            yield grant, statement.get("Resource", [])


def service_grants(stack: Stack) -> Iterator[tuple[Grant, list[str]]]:
    """Return the rights that resource policies, except trusts of roles, give to services, with their resources."""
    for type_, key in (
        ("aws_sqs_queue", "policy"),
        ("aws_sns_topic_policy", "policy"),
        ("aws_s3_bucket_policy", "policy"),
        ("aws_cloudwatch_log_resource_policy", "policy_document"),
    ):
        for address, body in _each(stack, type_):
            for grant, resources in _grants(address, body.get(key, '{"Statement":[]}')):
                if grant.service:
                    yield grant, resources
    for address, body in _each(stack, "aws_lambda_permission"):
        keys = {"aws:SourceArn"} if "source_arn" in body else set()
        keys |= {"aws:SourceAccount"} if "source_account" in body else set()
        sources = (body["source_arn"],) if "source_arn" in body else ()
        yield (
            Grant(
                where=address,
                service=body["principal"],
                action=body["action"],
                keys=frozenset(keys),
                sources=sources,
            ),
            [body["function_name"]],
        )


def grants_for(stack: Stack, edge: Edge) -> list[Grant]:
    """Return the rights that the policy of the called resource, or of the caller's role, gives on it."""
    if edge.by_role:
        policies = [
            (address, body["policy"])
            for address, body in _each(stack, "aws_iam_role_policy")
            if _address(body["role"]) == edge.role
        ]
        found = [each for address, policy in policies for each in _grants(address, policy)]
    else:
        found = list(service_grants(stack))
    return [grant for grant, resources in found if any(_covers(stack, each, edge.target) for each in resources)]


def _covers(stack: Stack, resource: str, target: str) -> bool:
    """Return whether a statement's resource is the target, by reference or by a literal ARN."""
    if reference := _REFERENCE.match(resource):
        return f"{reference[1]}.{reference[2]}" == target
    return resource.endswith(f":{_name(stack, target)}")


def is_from(stack: Stack, arn: str, source: str) -> bool:
    """Return whether a value of ``aws:SourceArn`` is the caller's: by reference, by name, or by a prefix of names."""
    if reference := _REFERENCE.match(arn):
        return f"{reference[1]}.{reference[2]}" == source
    type_, _, id_ = source.partition(".")
    body = stack.body["resource"][type_][id_]
    name = str(body.get("alarm_name") or body.get("name", ""))
    tail = re.split(r"[/:]", arn)[-1]
    return name.startswith(tail[:-1]) if tail.endswith("*") and len(tail) > 1 else name == tail
