"""EC2: IAM checks of each resource that a call creates or names, and of tags on creation.

Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html, of tags
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html.
"""

from collections.abc import Mapping
from typing import Any

from dropbatch.sandbox.demands.call import Call, Demand, tag_context

__all__ = ["MADE", "NAMED", "ONLY_WITH_TAGS", "made_tags", "network_demands"]

MADE = {
    "AllocateAddress": "elastic-ip",
    "AuthorizeSecurityGroupEgress": "security-group-rule",
    "AuthorizeSecurityGroupIngress": "security-group-rule",
    "CreateFlowLogs": "vpc-flow-log",
    "CreateInternetGateway": "internet-gateway",
    "CreateLaunchTemplate": "launch-template",
    "CreateNatGateway": "natgateway",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateVpc": "vpc",
    "CreateVpcEndpoint": "vpc-endpoint",
}
"""What a call makes. It has no id yet, and no tags but those of the request."""

ONLY_WITH_TAGS = frozenset({"security-group-rule"})
"""What is checked only if the request has tags for it, as the reference says of AuthorizeSecurityGroupEgress."""

NAMED: dict[str, dict[str, tuple[str, ...]]] = {
    "AssociateRouteTable": {
        "route-table": ("RouteTableId",),
        "subnet": ("SubnetId",),
        "internet-gateway": ("GatewayId",),
    },
    "AttachInternetGateway": {"internet-gateway": ("InternetGatewayId",), "vpc": ("VpcId",)},
    "AuthorizeSecurityGroupEgress": {"security-group": ("GroupId",)},
    "AuthorizeSecurityGroupIngress": {"security-group": ("GroupId",)},
    "CreateFlowLogs": {"vpc": ("ResourceId[]",)},
    "CreateLaunchTemplateVersion": {"launch-template": ("LaunchTemplateId",)},
    "CreateNatGateway": {"subnet": ("SubnetId",), "elastic-ip": ("AllocationId",)},
    "CreateRoute": {"route-table": ("RouteTableId",)},
    "CreateRouteTable": {"vpc": ("VpcId",)},
    "CreateSecurityGroup": {"vpc": ("VpcId",)},
    "CreateSubnet": {"vpc": ("VpcId",)},
    "CreateVpcEndpoint": {
        "vpc": ("VpcId",),
        "route-table": ("RouteTableId[]",),
        "security-group": ("SecurityGroupId[]",),
        "subnet": ("SubnetId[]",),
    },
    "DeleteFlowLogs": {"vpc-flow-log": ("FlowLogId[]",)},
    "DeleteInternetGateway": {"internet-gateway": ("InternetGatewayId",)},
    "DeleteLaunchTemplate": {"launch-template": ("LaunchTemplateId",)},
    "DeleteNatGateway": {"natgateway": ("NatGatewayId",)},
    "DeleteRoute": {"route-table": ("RouteTableId",)},
    "DeleteRouteTable": {"route-table": ("RouteTableId",)},
    "DeleteSecurityGroup": {"security-group": ("GroupId",)},
    "DeleteSubnet": {"subnet": ("SubnetId",)},
    "DeleteVpc": {"vpc": ("VpcId",)},
    "DeleteVpcEndpoints": {"vpc-endpoint": ("VpcEndpointId[]",)},
    "DescribeVpcAttribute": {"vpc": ("VpcId",)},
    "DetachInternetGateway": {"internet-gateway": ("InternetGatewayId",), "vpc": ("VpcId",)},
    "ModifyLaunchTemplate": {"launch-template": ("LaunchTemplateId",)},
    "ModifySecurityGroupRules": {
        "security-group": ("GroupId",),
        "security-group-rule": ("SecurityGroupRule[].SecurityGroupRuleId",),
    },
    "ModifySubnetAttribute": {"subnet": ("SubnetId",)},
    "ModifyVpcAttribute": {"vpc": ("VpcId",)},
    "ModifyVpcEndpoint": {
        "vpc-endpoint": ("VpcEndpointId",),
        "route-table": ("AddRouteTableId[]", "RemoveRouteTableId[]"),
        "security-group": ("AddSecurityGroupId[]", "RemoveSecurityGroupId[]"),
        "subnet": ("AddSubnetId[]", "RemoveSubnetId[]"),
    },
    "ReleaseAddress": {"elastic-ip": ("AllocationId",)},
    "ReplaceRoute": {"route-table": ("RouteTableId",)},
    "RevokeSecurityGroupEgress": {"security-group": ("GroupId",)},
    "RevokeSecurityGroupIngress": {"security-group": ("GroupId",)},
}
"""What a call names, by kind of resource, with the paths of the members that do."""


def network_demands(call: Call) -> list[Demand]:
    """Return the checks for the resources that a call of EC2 creates and names."""
    found = [
        Demand(action=call.action, resource=call.arn(f"{kind}/{each}"))
        for kind, paths in NAMED.get(call.operation, {}).items()
        for path in paths
        for each in call.values(path)
    ]
    kind = MADE.get(call.operation)
    if kind is None:
        return found
    context = made_tags(call.members, kind)
    made = call.arn(f"{kind}/*")
    if context or kind not in ONLY_WITH_TAGS:
        found.append(Demand(action=call.action, resource=made, context=context))
    if context:
        created = {**context, "ec2:CreateAction": call.operation}
        found.append(Demand(action="ec2:CreateTags", resource=made, context=created))
    return found


def made_tags(members: Mapping[str, Any], kind: str) -> dict[str, str | list[str]]:
    """Return the condition keys of a request's tags on creation; empty without tags."""
    specifications = Call(action="ec2:", resource="*", members=members).found("TagSpecification[]")
    tags = next((each.get("Tag") for each in specifications if each.get("ResourceType") == kind), None)
    return tag_context(tags) if tags else {}
