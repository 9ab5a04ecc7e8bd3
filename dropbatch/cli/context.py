"""What the options before the command say."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dropbatch.cli.environment import choose

if TYPE_CHECKING:
    from dropbatch.cli.deployed import Deployed

__all__ = ["Context"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """The environment and the group meant; looked up when they are first needed."""

    environment: str | None
    group_name: str | None

    @cached_property
    def deployed(self) -> "Deployed":
        """The environment meant."""
        from dropbatch.cli.deployed import Deployed  # noqa: PLC0415 – nothing that `--help` need wait for

        return Deployed(choose(self.environment))

    @cached_property
    def group(self) -> str:
        """The group meant."""
        return self.deployed.description.group(self.group_name)
