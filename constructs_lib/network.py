"""The machines' network: outgoing HTTPS only, no incoming connections."""

import ipaddress
from collections.abc import Sequence
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
from cdktf_cdktf_provider_aws.subnet import Subnet
from cdktf_cdktf_provider_aws.vpc import Vpc
from cdktf_cdktf_provider_aws.vpc_endpoint import VpcEndpoint
from constructs import Construct

from constructs_lib.egress_group import egress_group
from constructs_lib.private_subnets import PrivateSubnets, PrivateSubnetsProps, Zone
from constructs_lib.site import Site

__all__ = ["Network", "NetworkProps"]


@dataclass(frozen=True, kw_only=True)
class NetworkProps:
    """The address range of the network, /16 to /24, and what machines may reach."""

    site: Site
    cidr: str
    private: bool = False
    """Whether machines have no public addresses. Default: they have, for NAT costs money."""
    nat_per_zone: bool = False
    """Of a private network: a NAT gateway in each zone. Default: one, which both share."""
    all_ports: bool = False
    """Whether machines may reach everything. Default: port 443."""


class Network(Construct):
    """Subnets in two zones; S3 and DynamoDB are reached by free gateway endpoints."""

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
        gateway = InternetGateway(self, "Gateway", vpc_id=self.vpc_id, tags={"Name": site.name("gateway")})
        table = RouteTable(self, "PublicRoutes", vpc_id=self.vpc_id, tags={"Name": site.name("public")})
        Route(self, "Outward", route_table_id=table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id)
        # Quarters of the range: two public, two private ones.
        blocks = [str(block) for block in ipaddress.IPv4Network(props.cidr).subnets(prefixlen_diff=2)]
        names = self._zones()
        public = self._public_subnets(props, names, blocks[:2], table)
        tables: list[RouteTable] = [table]
        self.subnet_ids = public
        if props.private:
            zones = [
                Zone(name=name, public_subnet_id=subnet, cidr=block)
                for name, subnet, block in zip(names, public, blocks[2:], strict=True)
            ]
            private = PrivateSubnets(
                self,
                "Private",
                PrivateSubnetsProps(
                    site=site, vpc_id=self.vpc_id, gateway=gateway, zones=zones, nat_per_zone=props.nat_per_zone
                ),
            )
            self.subnet_ids = private.subnet_ids
            tables += private.tables
        self.security_group_id = egress_group(self, site, self.vpc_id, all_ports=props.all_ports)
        for service in ("s3", "dynamodb"):
            VpcEndpoint(
                self,
                f"{service.capitalize()}Endpoint",
                vpc_id=self.vpc_id,
                service_name=f"com.amazonaws.{site.region}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=[each.id for each in tables],
                tags={"Name": site.name(service)},
            )

    def _zones(self) -> list[str]:
        # Local and wavelength zones have to be opted in to; they lack most instance types.
        zones = DataAwsAvailabilityZones(
            self,
            "Zones",
            state="available",
            filter=[DataAwsAvailabilityZonesFilter(name="opt-in-status", values=["opt-in-not-required"])],
        )
        return [Fn.element(zones.names, index) for index in range(2)]

    def _public_subnets(
        self, props: NetworkProps, zones: Sequence[str], blocks: Sequence[str], table: RouteTable
    ) -> list[str]:
        subnets = []
        for letter, zone, block in zip("AB", zones, blocks, strict=True):
            subnet = Subnet(
                self,
                f"Public{letter}",
                vpc_id=self.vpc_id,
                cidr_block=block,
                availability_zone=zone,
                map_public_ip_on_launch=not props.private,
                tags={"Name": props.site.name("public", letter.lower())},
            )
            RouteTableAssociation(self, f"Public{letter}Routes", subnet_id=subnet.id, route_table_id=table.id)
            subnets.append(subnet.id)
        return subnets
