"""The security group of the machines."""

from cdktf_cdktf_provider_aws.security_group import SecurityGroup
from cdktf_cdktf_provider_aws.vpc_security_group_egress_rule import VpcSecurityGroupEgressRule
from constructs import Construct

from constructs_lib.site import Site

__all__ = ["egress_group"]


def egress_group(scope: Construct, site: Site, vpc_id: str, *, all_ports: bool) -> str:
    """Id of a security group that lets HTTPS (or everything) out, and nothing in."""
    group = SecurityGroup(
        scope,
        "Machines",
        name=site.name("machines"),
        # Cannot be changed without replacing the group: it holds whatever the rules are.
        description="Machines of the pools: HTTPS out, nothing in",
        vpc_id=vpc_id,
        tags={"Name": site.name("machines")},
    )
    if all_ports:
        VpcSecurityGroupEgressRule(
            scope,
            "AllOut",
            security_group_id=group.id,
            description="Everything out",
            ip_protocol="-1",
            cidr_ipv4="0.0.0.0/0",
        )
    else:
        VpcSecurityGroupEgressRule(
            scope,
            "HttpsOut",
            security_group_id=group.id,
            description="HTTPS to AWS and to registries of images",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            cidr_ipv4="0.0.0.0/0",
        )
    group_id: str = group.id
    return group_id
