"""``bootstrap.toml``: what an AWS account needs once, before the first environment is deployed."""

from typing import Annotated

from pydantic import Field, StringConstraints

from dropbatch.settings.models import EnvironmentName
from dropbatch.settings.table import Table

__all__ = ["NAME", "AccountSettings", "Bootstrap", "GithubSettings"]

NAME = "bootstrap"
"""Of the stack; no environment may have it."""

Digits = Annotated[str, StringConstraints(pattern=r"^\d+$")]
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
    environments: tuple[EnvironmentName, ...] = Field(min_length=1, strict=False)
    """Each gets a role that its GitHub Environment of the same name may deploy with."""
    create_provider: bool = True
    """Whether GitHub's identity provider is made; an account has it once, and another project may have made it."""


class Bootstrap(Table):
    """The file, validated."""

    account: AccountSettings
    github: GithubSettings | None = None
