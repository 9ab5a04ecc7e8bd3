"""A log of the network's connections."""

from dataclasses import dataclass

from cdktf_cdktf_provider_aws.flow_log import FlowLog
from constructs import Construct

from constructs_lib.log_group import LogGroup, LogGroupProps
from constructs_lib.role import Role, RoleProps
from constructs_lib.site import Site

__all__ = ["FlowLogs", "FlowLogsProps"]


@dataclass(frozen=True, kw_only=True)
class FlowLogsProps:
    """Which network."""

    site: Site
    vpc_id: str


class FlowLogs(Construct):
    """All connections of a network, accepted and refused, in a log group."""

    def __init__(self, scope: Construct, id_: str, props: FlowLogsProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        log = LogGroup(
            self,
            "Log",
            LogGroupProps(name=f"/dropbatch/{site.environment}/network", retention_days=site.log_retention_days),
        )
        role = Role(
            self,
            "Role",
            RoleProps(
                name=f"{site.prefix}.flow-logs",
                boundary=site.boundary,
                service="vpc-flow-logs.amazonaws.com",
                description="Writes the network's connections to a log",
                conditions={
                    "StringEquals": {"aws:SourceAccount": site.account},
                    "ArnLike": {"aws:SourceArn": site.arn("ec2", "vpc-flow-log/*")},
                },
            ),
        )
        log.grant_write(role)
        log.grant_describe_streams(role)
        FlowLog(
            self,
            "FlowLog",
            vpc_id=props.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=log.arn,
            iam_role_arn=role.arn,
            tags={"Name": site.name("flow-logs")},
            depends_on=role.rights,
        )
