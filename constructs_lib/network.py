"""The network of the machines: out by HTTPS, nothing in."""

import ipaddress
from dataclasses import dataclass

from cdktf import Fn
from cdktf_cdktf_provider_aws.data_aws_availability_zones import (
    DataAwsAvailabilityZones,
    DataAwsAvailabilityZonesFilter,
)
from cdktf_cdktf_provider_aws.default_security_group import DefaultSecurityGroup
from cdktf_cdktf_provider_aws.internet_gateway import InternetGateway
from cdktf_cdktf_provider_aws.route import Route
from cdktf_cdktf_provider_aws.route_table import RouteTable
from cdktf_cdktf_provider_aws.route_table_association import RouteTableAssociation
from cdktf_cdktf_provider_aws.security_group import SecurityGroup
from cdktf_cdktf_provider_aws.subnet import Subnet
from cdktf_cdktf_provider_aws.vpc import Vpc
from cdktf_cdktf_provider_aws.vpc_endpoint import VpcEndpoint
from cdktf_cdktf_provider_aws.vpc_security_group_egress_rule import VpcSecurityGroupEgressRule
from constructs import Construct

from constructs_lib.site import Site

__all__ = ["Network", "NetworkProps"]


@dataclass(frozen=True, kw_only=True)
class NetworkProps:
    """The address range of the network, /16 to /24."""

    site: Site
    cidr: str


class Network(Construct):
    """Two public subnets in two zones, without NAT; S3 and DynamoDB are reached by free gateway endpoints."""

    def __init__(self, scope: Construct, id_: str, props: NetworkProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        vpc = Vpc(
            self,
            "Vpc",
            cidr_block=props.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": site.name("vpc")},
        )
        self.vpc_id: str = vpc.id
        # Without rules here, the group that AWS gives machines by default lets nothing in or out.
        DefaultSecurityGroup(self, "DefaultSecurityGroup", vpc_id=self.vpc_id, tags={"Name": site.name("locked")})
        table = self._public_routes(site)
        self.subnet_ids = self._public_subnets(site, props.cidr, table)
        self.security_group_id = self._egress_only(site)
        for service in ("s3", "dynamodb"):
            VpcEndpoint(
                self,
                f"{service.capitalize()}Endpoint",
                vpc_id=self.vpc_id,
                service_name=f"com.amazonaws.{site.region}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=[table.id],
                tags={"Name": site.name(service)},
            )

    def _public_routes(self, site: Site) -> RouteTable:
        gateway = InternetGateway(self, "Gateway", vpc_id=self.vpc_id, tags={"Name": site.name("gateway")})
        table = RouteTable(self, "PublicRoutes", vpc_id=self.vpc_id, tags={"Name": site.name("public")})
        Route(self, "Outward", route_table_id=table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id)
        return table

    def _public_subnets(self, site: Site, cidr: str, table: RouteTable) -> list[str]:
        # Quarters of the range: two are left for private subnets.
        blocks = list(ipaddress.IPv4Network(cidr).subnets(prefixlen_diff=2))[:2]
        # Local and wavelength zones have to be opted in to; they lack most instance types.
        zones = DataAwsAvailabilityZones(
            self,
            "Zones",
            state="available",
            filter=[DataAwsAvailabilityZonesFilter(name="opt-in-status", values=["opt-in-not-required"])],
        )
        subnets = []
        for index, (letter, block) in enumerate(zip("AB", blocks, strict=True)):
            subnet = Subnet(
                self,
                f"Public{letter}",
                vpc_id=self.vpc_id,
                cidr_block=str(block),
                availability_zone=Fn.element(zones.names, index),
                map_public_ip_on_launch=True,
                tags={"Name": site.name("public", letter.lower())},
            )
            RouteTableAssociation(self, f"Public{letter}Routes", subnet_id=subnet.id, route_table_id=table.id)
            subnets.append(subnet.id)
        return subnets

    def _egress_only(self, site: Site) -> str:
        group = SecurityGroup(
            self,
            "Machines",
            name=site.name("machines"),
            description="Machines of the pools: HTTPS out, nothing in",
            vpc_id=self.vpc_id,
            tags={"Name": site.name("machines")},
        )
        VpcSecurityGroupEgressRule(
            self,
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
