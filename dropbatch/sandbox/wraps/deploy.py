"""Wraps for deploys: give IAM the resources and condition keys of calls, which MiniStack omits."""

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.demands.call import Call, query_members
from dropbatch.sandbox.demands.network import MADE, NAMED, made_tags
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_budget_actions", "wrap_deploy_context", "wrap_deploy_resources", "wrap_network_tags"]

# Parameters with which EC2 calls name the resource they change; resource types in ARNs by id prefix.
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
# Parameters with a resource's ARN in tagging calls, by service.
_BY_ARN = ("dynamodb", "ecr", "events", "monitoring", "sns")
_ARN = ("ResourceArn", "resourceArn", "ResourceARN")
# IAM actions with the condition key ``iam:PermissionsBoundary`` of their role or user.
_NEW = ("CreateRole", "CreateUser", "PutRolePermissionsBoundary", "PutUserPermissionsBoundary")
_LATER = re.compile("(Attach|Delete|Detach|Put)(Role|User)Policy|Delete(Role|User)PermissionsBoundary")


def wrap_deploy_resources() -> None:
    """Check the resource of a deploy's calls; MiniStack checks ``*`` for many of them."""
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
        "ecr": _repositories,
        "events": _rule,
        "iam": _identity,
        "lambda": _function,
        "monitoring": _watch,
    }

    @functools.wraps(original)
    def extract_resource_arn(service: str, method: str, path: str, headers: Any, body: bytes, *others: Any) -> Any:
        query, region, account = others
        operation = _first(query, "Action")
        if service == "ec2" and operation.startswith("Describe") and operation not in NAMED:
            return "*"
        if service in _BY_ARN and (arn := _arn_of(_json(body), query)):
            return arn
        found = named[service](path, _json(body), query) if service in named else None
        if found is None:
            return original(service, method, path, headers, body, *others)
        name, regional, resource = found
        return f"arn:aws:{name}:{region if regional else ''}:{account}:{resource}"

    actions.extract_resource_arn = extract_resource_arn


_Found = tuple[str, bool, str] | None
"""Service, whether it has regions, and the resource."""


def _arn_of(asked: dict[str, Any], query: Any) -> str:
    """Return the resource ARN from a tagging call."""
    return next((arn for name in _ARN for arn in (str(asked.get(name) or ""), _first(query, name)) if arn), "")


def _budget(_: str, asked: dict[str, Any], __: Any) -> _Found:
    name = asked.get("BudgetName") or (asked.get("Budget") or asked.get("NewBudget") or {}).get("BudgetName")
    name = name or str(asked.get("ResourceARN", "")).rpartition("/")[2]
    return ("budgets", False, f"budget/{name}") if name else None


def _part_of_network(_: str, __: dict[str, Any], query: Any) -> _Found:
    operation, ec2 = _first(query, "Action"), emulator.service("ec2")
    asked = Call(action=f"ec2:{operation}", resource="*", members=query_members(query))
    for type_, paths in NAMED.get(operation, {}).items():
        if named := [each for path in paths for each in asked.values(path)]:
            return "ec2", True, f"{type_}/{named[0]}"
    if operation in MADE:
        return "ec2", True, f"{MADE[operation]}/*"
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


def _repositories(_: str, asked: dict[str, Any], __: Any) -> _Found:
    names = asked.get("repositoryNames")
    return ("ecr", True, f"repository/{names[0]}") if isinstance(names, list) and names else None


def _rule(_: str, asked: dict[str, Any], __: Any) -> _Found:
    name = asked.get("Rule") or asked.get("Name")
    # ARNs of rules on the default bus omit its name.
    return ("events", True, f"rule/{name}") if name and asked.get("EventBusName", "default") == "default" else None


def _identity(_: str, __: dict[str, Any], query: Any) -> _Found:
    path = _first(query, "Path") or "/"
    if arn := _first(query, "OpenIDConnectProviderArn"):
        return "iam", False, arn.rpartition(":")[2]
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


def wrap_budget_actions() -> None:
    """Check IAM's two actions for budgets, view and modify; MiniStack checks the names of the calls."""
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
    """Add ``iam:PermissionsBoundary``, ``lambda:FunctionArn`` and EC2's ``aws:RequestTag``, which MiniStack omits."""
    actions = emulator.module("core.iam_actions")
    original = expected(
        actions, "request_tag_context", "(service: str, iam_action: str, body: bytes, params: dict) -> dict"
    )

    @functools.wraps(original)
    def request_tag_context(service: str, action: str, body: bytes, params: Any) -> Any:
        return {**original(service, action, body, params), **_context(action, body, params)}

    actions.request_tag_context = request_tag_context


def _context(action: str, body: bytes, params: Any) -> Mapping[str, Any]:
    service, _, verb = action.partition(":")
    if service == "ec2" and verb in MADE and verb not in NAMED:
        return made_tags(query_members(params), MADE[verb])
    if action == "lambda:CreateEventSourceMapping":
        return {"lambda:FunctionArn": str(_json(body).get("FunctionName", ""))}
    if service != "iam" or not (verb in _NEW or _LATER.fullmatch(verb)):
        return {}
    iam = emulator.service("iam")
    bearer = iam._roles.get(_first(params, "RoleName")) or iam._users.get(_first(params, "UserName")) or {}
    boundary = _first(params, "PermissionsBoundary") if verb in _NEW else bearer.get("PermissionsBoundary")
    return {"iam:PermissionsBoundary": boundary} if boundary else {}


def wrap_network_tags() -> None:
    """Add ``aws:ResourceTag`` of network resources, which MiniStack omits, and keep the tags of flow logs."""
    tagging, ec2 = emulator.service("tagging"), emulator.service("ec2")
    parse = expected(ec2, "_parse_tag_specs", "(p, resource_type, resource_id)")

    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TagSpecification.html names them vpc-flow-log.
    def parse_tag_specs(params: Any, kind: str, resource_id: str) -> Any:
        return parse(params, "vpc-flow-log" if kind == "flow-log" else kind, resource_id)

    ec2._parse_tag_specs = parse_tag_specs
    original = expected(tagging, "resource_tags", "(arn: str) -> dict[str, str] | None")

    @functools.wraps(original)
    def resource_tags(arn: str) -> Any:
        parts = arn.split(":", 5)
        if len(parts) == 6 and parts[2] == "ec2":
            tags = ec2._tags.get(parts[5].rpartition("/")[2]) or []
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
