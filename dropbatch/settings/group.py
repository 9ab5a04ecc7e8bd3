"""``[group.<name>]``: people who share data, and what they may use."""

from typing import Annotated

from pydantic import Field, StringConstraints

from dropbatch.contract.deployment import Limit
from dropbatch.contract.limits import MICRO_USD, VCPU_MS
from dropbatch.settings.names import Email, PipelineName
from dropbatch.settings.table import Table

__all__ = ["GroupSettings", "MemberArn", "UserName"]

# People of IAM Identity Center come as roles below `aws-reserved/sso.amazonaws.com/`, whose names end in something that
# changes when their permission set is provisioned anew: `*` may stand for it.
MemberArn = Annotated[
    str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:(role/[\w+=,.@/*-]+|user/[\w+=,.@/-]+)$")
]
UserName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9.-]{0,30}[a-z0-9]$")]


class GroupSettings(Table):
    """``[group.<name>]``: people who share data."""

    members: tuple[MemberArn, ...] = Field(default=(), strict=False)
    """ARNs of IAM roles and users who may take the group's role; a role's may hold ``*``, as those of IAM Identity
    Center need: ``arn:aws:iam::<account>:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_<set>_*``."""
    users: tuple[UserName, ...] = Field(default=(), strict=False)
    """People without single sign-on: each gets an IAM user, in one group or more; ``dropbatch invite`` makes a key."""
    contacts: tuple[Email, ...] = Field(default=(), max_length=20, strict=False)
    """Who gets the mails about the group's runs and its limit; AWS asks each for a confirmation first."""
    share_weight: Annotated[int, Field(ge=1, le=1000)] = 1
    """Share of a full pool, against the weights of the other groups that wait for it."""
    monthly_vcpu_hours: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """vCPU-hours that the group's runs may use in a month. Default: as many as they like."""
    monthly_usd: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Or else: what the group's runs may cost in a month, by estimate; its pools need prices."""
    pipelines: tuple[PipelineName, ...] | None = Field(default=None, min_length=1, strict=False)
    """Pipelines that the group may use. Default: all."""
    read_prefixes: tuple[Annotated[str, StringConstraints(pattern=r"^[^/*?$\x00-\x1f][^*?$\x00-\x1f]*/$")], ...] = (
        Field(default=(), max_length=20, strict=False)
    )
    """Folders of the input bucket outside its own that the group, its requests and its programs may read:
    ``shared/references/``, or another group's ``inputs/public/``."""

    @property
    def limit(self) -> Limit | None:
        """What its runs may use in a month, if that is limited."""
        if self.monthly_vcpu_hours is not None:
            return Limit(VCPU_MS, self.monthly_vcpu_hours * 3_600_000)
        return None if self.monthly_usd is None else Limit(MICRO_USD, self.monthly_usd * 1_000_000)

    def allows(self, pipeline: str) -> bool:
        """Whether the group may use a pipeline."""
        return self.pipelines is None or pipeline in self.pipelines
