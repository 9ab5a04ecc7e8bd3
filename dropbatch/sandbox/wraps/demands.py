"""Wraps that make IAM check the additional permissions that AWS requires for a call."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.demands import Call, Demand, demands, may_demand
from dropbatch.sandbox.demands.call import json_members, query_members
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_demands", "wrap_mapping_actions", "wrap_mapping_context"]

_SERVICES = (
    *("batch", "budgets", "dynamodb", "ec2", "ecr", "events", "iam", "lambda", "logs", "monitoring", "sns", "sqs"),
    "ssm",
)
_MAPPING = ":event-source-mapping:"
_Handler = Callable[..., Awaitable[Any]]


def wrap_demands() -> None:
    """Check the additional permissions in `dropbatch.sandbox.demands`; MiniStack checks one action on one resource."""
    app = emulator.module("app")
    expected(app, "_routing_params", "(method: str, path: str, headers: dict, body: bytes, query_params: dict) -> dict")
    for service in _SERVICES:
        app.SERVICE_HANDLERS[service] = _demanding(service, app.SERVICE_HANDLERS[service])


def _demanding(service: str, handler: _Handler) -> _Handler:
    app, router = emulator.module("app"), emulator.module("core.router")
    actions, evaluator = emulator.module("core.iam_actions"), emulator.module("core.iam_evaluator")

    @functools.wraps(handler)
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        key, region = router.extract_access_key_id(headers, query), router.extract_region(headers, query)
        parameters = app._routing_params(method, path, headers, body, query)
        request = (service, method, path, headers, body, parameters)
        for each in _demands(actions.extract_iam_action(*request), region, request):
            denied = evaluator.enforce(
                key, each.action, service, region, resource_arn=each.resource, service_context=dict(each.context)
            )
            if denied is not None:
                return actions.access_denied_response(
                    service,
                    each.action,
                    getattr(denied, "principal_arn", ""),
                    "",
                    headers=headers,
                    resource_arn=each.resource,
                    explicit_deny=getattr(denied, "decision", "") == "Deny",
                )
        return await handler(method, path, headers, body, query)

    return handle


def _demands(action: str | None, region: str, request: tuple[Any, ...]) -> list[Demand]:
    if action is None or not may_demand(action):
        return []
    arn = emulator.module("core.iam_actions").extract_resource_arn(*request, region, emulator.ACCOUNT)
    *_, body, parameters = request
    members = json_members(body) if body[:1] == b"{" else query_members(parameters)
    found = demands(Call(action=action, resource=arn, members=members, region=region, account=emulator.ACCOUNT))
    passed = [each for each in found if each.action == "iam:PassRole"]
    return [*found, *(replace(each, resource=role) for each in passed for role in _roles_in(each.resource))]


def _roles_in(profile: str) -> list[str]:
    """Return the roles in an instance profile, which IAM's documentation requires to be passed."""
    name = profile.rpartition("/")[2] if ":instance-profile/" in profile else ""
    iam = emulator.service("iam")
    known = iam._instance_profiles.get(name) or {}
    return [str(iam._roles[each]["Arn"]) for each in known.get("Roles", []) if each in iam._roles]


def wrap_mapping_actions() -> None:
    """Check calls about an event source mapping under their own actions; MiniStack checks none, or the list action."""
    actions = emulator.module("core.iam_actions")
    original = expected(
        actions,
        "extract_iam_action",
        "(service: str, method: str, path: str, headers: dict, body: bytes, query_params: dict) -> str | None",
    )
    verbs = {"GET": "Get", "PUT": "Update", "DELETE": "Delete"}

    @functools.wraps(original)
    def extract_iam_action(service: str, method: str, path: str, *others: Any) -> Any:
        parts = path.strip("/").split("/")
        if service == "lambda" and parts[1:2] == ["event-source-mappings"] and len(parts) == 3 and method in verbs:
            return f"lambda:{verbs[method]}EventSourceMapping"
        return original(service, method, path, *others)

    actions.extract_iam_action = extract_iam_action


def wrap_mapping_context() -> None:
    """Add ``lambda:FunctionArn`` and ``aws:ResourceTag`` of event source mappings, which MiniStack omits."""
    evaluator, functions = emulator.module("core.iam_evaluator"), emulator.service("lambda_svc")
    tagging = emulator.service("tagging")
    original = expected(
        evaluator,
        "enforce",
        "(access_key_id: str, iam_action: str, service: str, region: str, resource_arn: str = '*', "
        "service_context: dict[str, typing.Any] | None = None) -> "
        "ministack.core.iam_evaluator.EvalResult | ministack.core.iam_evaluator.AuthError | None",
    )
    tags_of = tagging.resource_tags

    def mapping(arn: str) -> dict[str, Any]:
        found = functions._esms.get(arn.rpartition(_MAPPING)[2]) if _MAPPING in arn else None
        return found or {}

    @functools.wraps(original)
    def enforce(key: str, action: str, service: str, region: str, **named: Any) -> Any:
        if found := mapping(named.get("resource_arn", "*")):
            context = {**(named.get("service_context") or {}), "lambda:FunctionArn": found["FunctionArn"]}
            named["service_context"] = context
        return original(key, action, service, region, **named)

    @functools.wraps(tags_of)
    def resource_tags(arn: str) -> Any:
        found = mapping(arn)
        return found.get("Tags", {}) if found else tags_of(arn)

    evaluator.enforce = enforce
    tagging.resource_tags = resource_tags
