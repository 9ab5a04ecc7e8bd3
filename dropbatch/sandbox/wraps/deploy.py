"""Wraps for who deploys: MiniStack does not tell its IAM which things, and whose, the calls of a deploy are about."""

import functools
import json
import re
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_budget_actions", "wrap_deploy_context", "wrap_deploy_resources", "wrap_network_tags"]

# By which parameters a call of EC2 names what it changes; and kinds of things in ARNs, by how their ids begin.
_NETWORK = ("ResourceId.1", "FlowLogId.1", "LaunchTemplateId", "NatGatewayId", "VpcEndpointId")
_KINDS = {
    "eipalloc": "elastic-ip",
    "fl": "vpc-flow-log",
    "igw": "internet-gateway",
    "lt": "launch-template",
    "nat": "natgateway",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "subnet": "subnet",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
# Actions of IAM that can be bound to the boundary of the role or user they are about.
_NEW = ("CreateRole", "CreateUser", "PutRolePermissionsBoundary", "PutUserPermissionsBoundary")
_LATER = re.compile("(Attach|Delete|Detach|Put)(Role|User)Policy|Delete(Role|User)PermissionsBoundary")


def wrap_deploy_resources() -> None:
    """IAM asks for ``*`` for much of what a deploy makes, changes and deletes."""
    actions = emulator.module("core.iam_actions")
    original = expected(
        actions,
        "extract_resource_arn",
        "(service: str, method: str, path: str, headers: dict, body: bytes, "
        "query_params: dict, region: str, account_id: str) -> str",
    )
    named = {
        "budgets": _budget,
        "ec2": _part_of_network,
        "events": _rule,
        "iam": _identity,
        "lambda": _function,
        "monitoring": _watch,
        "sns": _subscription,
    }

    @functools.wraps(original)
    def extract_resource_arn(service: str, method: str, path: str, headers: Any, body: bytes, *others: Any) -> Any:
        query, region, account = others
        found = named[service](path, _json(body), query) if service in named else None
        if found is None:
            return original(service, method, path, headers, body, *others)
        name, regional, resource = found
        return f"arn:aws:{name}:{region if regional else ''}:{account}:{resource}"

    actions.extract_resource_arn = extract_resource_arn


_Found = tuple[str, bool, str] | None
"""Service, whether it has regions, and the resource."""


def _budget(_: str, asked: dict[str, Any], __: Any) -> _Found:
    name = asked.get("BudgetName") or (asked.get("Budget") or asked.get("NewBudget") or {}).get("BudgetName")
    name = name or str(asked.get("ResourceARN", "")).rpartition("/")[2]
    return ("budgets", False, f"budget/{name}") if name else None


def _part_of_network(_: str, __: dict[str, Any], query: Any) -> _Found:
    ec2 = emulator.service("ec2")
    ids = [value for parameter in _NETWORK if (value := _first(query, parameter))]
    if name := _first(query, "LaunchTemplateName"):
        ids += [each for each, body in ec2._launch_templates.items() if body["LaunchTemplateName"] == name]
    if association := _first(query, "AssociationId"):
        ids += [
            each
            for each, body in ec2._route_tables.items()
            if any(known["RouteTableAssociationId"] == association for known in body["Associations"])
        ]
    kind = _KINDS.get(ids[0].partition("-")[0]) if ids else None
    return ("ec2", True, f"{kind}/{ids[0]}") if kind else None


def _rule(_: str, asked: dict[str, Any], __: Any) -> _Found:
    name = asked.get("Rule") or asked.get("Name")
    # Rules of the default bus are named without it.
    return ("events", True, f"rule/{name}") if name and asked.get("EventBusName", "default") == "default" else None


def _identity(_: str, __: dict[str, Any], query: Any) -> _Found:
    path = _first(query, "Path") or "/"
    if name := _first(query, "InstanceProfileName"):
        return "iam", False, f"instance-profile/{name}"
    if name := _first(query, "UserName"):
        known = emulator.service("iam")._users.get(name) or {}
        return "iam", False, f"user{known.get('Path') or path}{name}"
    if _first(query, "Action") == "CreatePolicy":
        return "iam", False, f"policy{path}{_first(query, 'PolicyName')}"
    return None


def _function(path: str, asked: dict[str, Any], _: Any) -> _Found:
    made = path.rstrip("/").endswith("/functions") and asked.get("FunctionName")
    return ("lambda", True, f"function:{made}") if made else None


def _watch(_: str, __: dict[str, Any], query: Any) -> _Found:
    if name := _first(query, "DashboardName") or _first(query, "DashboardNames.member.1"):
        return "cloudwatch", False, f"dashboard/{name}"
    name = _first(query, "AlarmNames.member.1")
    return ("cloudwatch", True, f"alarm:{name}") if name else None


def _subscription(_: str, __: dict[str, Any], query: Any) -> _Found:
    """The topic, whose ARN a subscription's begins with."""
    parts = _first(query, "SubscriptionArn").split(":")
    return ("sns", True, parts[5]) if len(parts) == 7 else None


def wrap_budget_actions() -> None:
    """IAM has two actions for budgets, to look and to change; MiniStack asks for the names of the calls."""
    actions = emulator.module("core.iam_actions")
    original = expected(
        actions,
        "extract_iam_action",
        "(service: str, method: str, path: str, headers: dict, body: bytes, query_params: dict) -> str | None",
    )

    @functools.wraps(original)
    def extract_iam_action(service: str, *others: Any) -> Any:
        action = original(service, *others)
        if service != "budgets" or action is None or action.endswith(("TagResource", "TagsForResource")):
            return action
        return "budgets:ViewBudget" if action.startswith("budgets:Describe") else "budgets:ModifyBudget"

    actions.extract_iam_action = extract_iam_action


def wrap_deploy_context() -> None:
    """``iam:PermissionsBoundary`` and ``lambda:FunctionArn`` are never evaluated: put them into the context."""
    actions = emulator.module("core.iam_actions")
    original = expected(
        actions, "request_tag_context", "(service: str, iam_action: str, body: bytes, params: dict) -> dict"
    )

    @functools.wraps(original)
    def request_tag_context(service: str, action: str, body: bytes, params: Any) -> Any:
        return {**original(service, action, body, params), **_context(action, body, params)}

    actions.request_tag_context = request_tag_context


def _context(action: str, body: bytes, params: Any) -> dict[str, str]:
    service, _, verb = action.partition(":")
    if action == "lambda:CreateEventSourceMapping":
        return {"lambda:FunctionArn": str(_json(body).get("FunctionName", ""))}
    if service != "iam" or not (verb in _NEW or _LATER.fullmatch(verb)):
        return {}
    iam = emulator.service("iam")
    bearer = iam._roles.get(_first(params, "RoleName")) or iam._users.get(_first(params, "UserName")) or {}
    boundary = _first(params, "PermissionsBoundary") if verb in _NEW else bearer.get("PermissionsBoundary")
    return {"iam:PermissionsBoundary": boundary} if boundary else {}


def wrap_network_tags() -> None:
    """``aws:ResourceTag`` is not known of parts of a network: look it up."""
    tagging = emulator.service("tagging")
    original = expected(tagging, "resource_tags", "(arn: str) -> dict[str, str] | None")

    @functools.wraps(original)
    def resource_tags(arn: str) -> Any:
        parts = arn.split(":", 5)
        if len(parts) == 6 and parts[2] == "ec2":
            tags = emulator.service("ec2")._tags.get(parts[5].rpartition("/")[2]) or []
            return {each["Key"]: each["Value"] for each in tags}
        return original(arn)

    tagging.resource_tags = resource_tags


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _first(query: Any, name: str) -> str:
    value = query.get(name, "")
    return str(value[0] if isinstance(value, list) and value else value or "")
