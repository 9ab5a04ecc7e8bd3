"""An existing network."""

from collections.abc import Sequence
from dataclasses import dataclass

from constructs import Construct

from constructs_lib.egress_group import egress_group
from constructs_lib.site import Site

__all__ = ["ExistingNetwork", "ExistingNetworkProps"]


@dataclass(frozen=True, kw_only=True)
class ExistingNetworkProps:
    """A VPC and the subnets in it that machines start in; they need a way to AWS and to registries of images."""

    site: Site
    vpc_id: str
    subnet_ids: Sequence[str]
    all_ports: bool = False
    """Whether machines may reach everything. Default: port 443."""


class ExistingNetwork(Construct):
    """Subnets of others, and a security group of ours."""

    def __init__(self, scope: Construct, id_: str, props: ExistingNetworkProps) -> None:
        super().__init__(scope, id_)
        self.vpc_id = props.vpc_id
        self.subnet_ids = list(props.subnet_ids)
        self.security_group_id = egress_group(self, props.site, props.vpc_id, all_ports=props.all_ports)
