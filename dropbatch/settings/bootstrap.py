"""``bootstrap.toml``: what an AWS account needs once, before the first environment is deployed."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from dropbatch.settings.names import EnvironmentName
from dropbatch.settings.table import Table

__all__ = ["RESERVED", "AccountSettings", "Bootstrap", "GithubSettings"]

RESERVED = ("bootstrap", "boundary", "deploy", "plan", "state")
"""Names that no environment may have: what this stack makes is named ``dropbatch-<one of them>``, and who deploys an
environment may change all that bears its name."""


def _free(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"must not be {' or '.join(map(repr, RESERVED))}, which are names of this stack's own")
    return name


Digits = Annotated[str, StringConstraints(pattern=r"^\d+$")]
BucketPattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.*-]{3,63}$")]
SecretArn = Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:(secretsmanager|ssm):\S+$")]
RepositoryArn = Annotated[
    str, StringConstraints(pattern=r"^arn:aws[a-z-]*:ecr:[a-z0-9*-]+:[\d*]{1,12}:repository/[a-z0-9/._*-]+$")
]
Service = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+\.amazonaws\.com$")]


class AccountSettings(Table):
    """``[account]``: where the state of all environments is kept."""

    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    account_id: Annotated[str, StringConstraints(pattern=r"^\d{12}$")] | None = None
    """The only account this may be deployed to."""
    service_linked_roles: tuple[Service, ...] = Field(
        default=("batch.amazonaws.com", "ecs.amazonaws.com", "spot.amazonaws.com"), strict=False
    )
    """Roles to be made: those of the three that the account lacks. AWS makes most at first use in the console."""


class GithubSettings(Table):
    """``[github]``: whose workflows may plan and deploy, without keys."""

    repository: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    """``owner/name``."""
    owner_id: Digits
    """Of the owner and of the repository: newer repositories' tokens name them by number too. Both are in the answer of
    ``gh api repos/OWNER/NAME --jq '.owner.id, .id'``."""
    repository_id: Digits
    branch: Annotated[str, StringConstraints(pattern=r"^[\w./-]+$")] = "main"
    environments: tuple[Annotated[EnvironmentName, AfterValidator(_free)], ...] = Field(min_length=1, strict=False)
    """Each gets a role that its GitHub Environment of the same name may deploy with."""
    create_provider: bool = True
    """Whether GitHub's identity provider is made; an account has it once, and another project may have made it."""
    buckets: tuple[BucketPattern, ...] = Field(default=(), strict=False)
    """Buckets beside their own that what these environments run may reach, ``*`` for any characters: existing input
    buckets, and what ``read_buckets`` names."""
    secrets: tuple[SecretArn, ...] = Field(default=(), strict=False)
    """ARNs of secrets and parameters that these environments' pipelines may be given, ``*`` for any characters."""
    repositories: tuple[RepositoryArn, ...] = Field(default=(), strict=False)
    """ARNs of private ECR repositories beside their own that these environments' jobs may pull images from, ``*`` for
    any characters."""


class Bootstrap(Table):
    """The file, validated."""

    account: AccountSettings
    github: GithubSettings | None = None
