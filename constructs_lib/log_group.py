"""A log group with a retention period."""

from dataclasses import dataclass

from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from constructs import Construct

from constructs_lib.policy import Statement
from constructs_lib.rights import Grantee
from constructs_lib.role import Role

__all__ = ["LogGroup", "LogGroupProps"]


@dataclass(frozen=True, kw_only=True)
class LogGroupProps:
    """Name and retention."""

    name: str
    retention_days: int = 90
    """A retention that CloudWatch supports: 30, 60, 90, 180, 365 …"""


class LogGroup(Construct):
    """A log group."""

    def __init__(self, scope: Construct, id_: str, props: LogGroupProps) -> None:
        super().__init__(scope, id_)
        group = CloudwatchLogGroup(self, "Group", name=props.name, retention_in_days=props.retention_days)
        self.name: str = group.name
        self.arn: str = group.arn

    def grant_write(self, role: Role) -> None:
        """Let a role add streams and lines."""
        role.grant(
            Statement(
                sid="WriteLogs", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[f"{self.arn}:*"]
            )
        )

    def grant_read(self, reader: Grantee, prefix: str) -> None:
        """Let somebody read the streams whose names begin so."""
        streams = f"{self.arn}:log-stream:{prefix}*"
        reader.grant(Statement(sid="ReadLogs", actions=["logs:GetLogEvents"], resources=[streams]))

    def grant_describe_streams(self, role: Role) -> None:
        """Let a role list the streams."""
        role.grant(Statement(sid="FindStreams", actions=["logs:DescribeLogStreams"], resources=[f"{self.arn}:*"]))
