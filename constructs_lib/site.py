"""Account, region and name prefix of a deployment."""

from dataclasses import dataclass

from cdktf_cdktf_provider_aws.data_aws_caller_identity import DataAwsCallerIdentity
from cdktf_cdktf_provider_aws.data_aws_partition import DataAwsPartition
from constructs import Construct

__all__ = ["Site", "SiteProps"]


@dataclass(frozen=True, kw_only=True)
class SiteProps:
    """Parts of names and ARNs."""

    prefix: str
    """``dropbatch-<environment>``."""
    environment: str
    region: str
    disposable: bool = False
    """Whether destroying the stack may delete data."""
    log_retention_days: int = 90
    """Days that logs are kept."""
    permissions_boundary: str | None = None
    """Name and path of a managed policy attached to every role as its permissions boundary. Default: none."""


class Site(Construct):
    """Names, ARNs and the account of one deployment."""

    def __init__(self, scope: Construct, id_: str, props: SiteProps) -> None:
        super().__init__(scope, id_)
        self.prefix = props.prefix
        self.environment = props.environment
        self.region = props.region
        self.disposable = props.disposable
        self.log_retention_days = props.log_retention_days
        self.account: str = DataAwsCallerIdentity(self, "Account").account_id
        self.partition: str = DataAwsPartition(self, "Partition").partition
        limit = props.permissions_boundary
        self.boundary = None if limit is None else f"arn:{self.partition}:iam::{self.account}:policy/{limit}"
        """ARN of the permissions boundary attached to every role."""

    def name(self, *parts: str) -> str:
        """``dropbatch-<environment>-<part>…``."""
        return "-".join((self.prefix, *parts))

    def arn(self, service: str, resource: str) -> str:
        """ARN of something in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def batch_names(self, kind: str) -> str:
        """Pattern of the ARNs of this deployment's things of a kind in Batch, such as ``job-queue``."""
        return self.arn("batch", f"{kind}/{self.prefix}-*")

    def only_for(self, service: str) -> dict[str, dict[str, str]]:
        """Conditions on a role's trust: the service acts for this account, not for another of its customers."""
        return {
            "StringEquals": {"aws:SourceAccount": self.account},
            "ArnLike": {"aws:SourceArn": self.arn(service, "*")},
        }
