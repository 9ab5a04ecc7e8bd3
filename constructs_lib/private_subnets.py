"""Subnets without public addresses, behind NAT."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.eip import Eip
from cdktf_cdktf_provider_aws.internet_gateway import InternetGateway
from cdktf_cdktf_provider_aws.nat_gateway import NatGateway
from cdktf_cdktf_provider_aws.route import Route
from cdktf_cdktf_provider_aws.route_table import RouteTable
from cdktf_cdktf_provider_aws.route_table_association import RouteTableAssociation
from cdktf_cdktf_provider_aws.subnet import Subnet
from constructs import Construct

from constructs_lib.site import Site

__all__ = ["PrivateSubnets", "PrivateSubnetsProps", "Zone"]


@dataclass(frozen=True, kw_only=True)
class Zone:
    """An availability zone."""

    name: str
    public_subnet_id: str
    """Where a NAT gateway can be."""
    cidr: str
    """Range of the private subnet."""


@dataclass(frozen=True, kw_only=True)
class PrivateSubnetsProps:
    """Zones, and how many gateways they have."""

    site: Site
    vpc_id: str
    gateway: InternetGateway
    zones: Sequence[Zone]
    nat_per_zone: bool = False
    """Default: one NAT gateway, in the first zone; the other zone falls silent with it."""


class PrivateSubnets(Construct):
    """One subnet and route table in each zone."""

    def __init__(self, scope: Construct, id_: str, props: PrivateSubnetsProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        self.subnet_ids: list[str] = []
        self.tables: list[RouteTable] = []
        nat: NatGateway | None = None
        for letter, zone in zip("AB", props.zones, strict=True):
            if nat is None or props.nat_per_zone:
                nat = self._nat(props, letter, zone)
            table = RouteTable(
                self, f"Routes{letter}", vpc_id=props.vpc_id, tags={"Name": site.name("private", letter.lower())}
            )
            Route(
                self,
                f"Outward{letter}",
                route_table_id=table.id,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=nat.id,
            )
            subnet = Subnet(
                self,
                f"Subnet{letter}",
                vpc_id=props.vpc_id,
                cidr_block=zone.cidr,
                availability_zone=zone.name,
                tags={"Name": site.name("private", letter.lower())},
            )
            RouteTableAssociation(self, f"Subnet{letter}Routes", subnet_id=subnet.id, route_table_id=table.id)
            self.tables.append(table)
            self.subnet_ids.append(subnet.id)

    def _nat(self, props: PrivateSubnetsProps, letter: str, zone: Zone) -> NatGateway:
        tags = {"Name": props.site.name("nat", letter.lower())}
        address = Eip(self, f"Address{letter}", domain="vpc", tags=tags)
        return NatGateway(
            self,
            f"Nat{letter}",
            allocation_id=address.id,
            subnet_id=zone.public_subnet_id,
            tags=tags,
            depends_on=[props.gateway],
        )
