"""The environment that `doctor` examines, and the clients to read it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dropbatch.cli.deployed import Description
from dropbatch.settings import Settings

__all__ = ["PoolNeed", "Subject"]


@dataclass(frozen=True, kw_only=True)
class PoolNeed:
    """Machines that a pool may request from the account."""

    name: str
    spot: bool
    max_vcpus: int
    instance_types: tuple[str, ...]
    """Families or exact types."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An environment that is deployed (`description`) or about to be (`settings`)."""

    environment: str
    region: str
    client: Callable[..., Any]
    """Creates an AWS client: ``client(service)`` or ``client(service, region=…)``."""
    find_pools: Callable[[], Sequence[PoolNeed]]
    sandbox: bool = False
    sandbox_directory: Path | None = None
    description: Description | None = None
    """Description of the deployed environment."""
    settings: Settings | None = None
    """Settings of the environment to deploy."""
    project: Path = field(default_factory=Path)
    """Checkout of the environment to deploy."""

    @cached_property
    def pools(self) -> Sequence[PoolNeed]:
        """The pools, looked up when they are first needed."""
        return self.find_pools()

    @cached_property
    def account(self) -> str:
        """Id of the account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])
