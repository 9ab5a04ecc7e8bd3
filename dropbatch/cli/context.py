"""The environment and group that the global options choose."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dropbatch.cli.environment import choose

if TYPE_CHECKING:
    from dropbatch.cli.deployed import Deployed

__all__ = ["Context"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """The chosen environment and group, looked up when they are first needed."""

    environment: str | None
    group_name: str | None

    @cached_property
    def deployed(self) -> "Deployed":
        """The chosen environment."""
        from dropbatch.cli.deployed import Deployed  # noqa: PLC0415 – slow, and not needed for `--help`

        return Deployed(choose(self.environment))

    @cached_property
    def group(self) -> str:
        """The chosen group."""
        return self.deployed.description.group(self.group_name)
