"""What is examined: an environment, and the clients to look at it with."""

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
    """What a pool asks of the account."""

    name: str
    spot: bool
    max_vcpus: int
    instance_types: tuple[str, ...]
    """Families or exact types."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An environment, deployed or about to be."""

    environment: str
    region: str
    client: Callable[..., Any]
    """Makes a client of a service: ``client(service)``, or ``client(service, region=…)``."""
    find_pools: Callable[[], Sequence[PoolNeed]]
    sandbox: bool = False
    sandbox_directory: Path | None = None
    description: Description | None = None
    """Of what is deployed."""
    settings: Settings | None = None
    """Of what is to be deployed."""
    project: Path = field(default_factory=Path)
    """The checkout, for what is to be deployed."""

    @cached_property
    def pools(self) -> Sequence[PoolNeed]:
        """The pools, looked up when they are first needed."""
        return self.find_pools()

    @cached_property
    def account(self) -> str:
        """Number of the account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])
