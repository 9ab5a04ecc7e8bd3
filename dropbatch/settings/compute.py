"""``[compute.<pool>]``: the machines."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from dropbatch.settings import instances
from dropbatch.settings.table import Table

__all__ = ["Architecture", "PoolSettings"]

Architecture = Literal["amd64", "arm64"]
InstanceType = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)?$")]

_GENERAL: Mapping[str, tuple[str, ...]] = {"amd64": ("m6i", "c6i", "r6i"), "arm64": ("m7g", "c7g", "r7g")}


class PoolSettings(Table):
    """``[compute.<pool>]``: machines of one kind, with a job queue of their own."""

    kind: Literal["spot", "on_demand"]
    """Spare machines that AWS may take back, at a fraction of the price, or machines that stay."""
    max_vcpus: Annotated[int, Field(ge=1, le=100_000)]
    """The most vCPUs that run at once."""
    min_vcpus: Annotated[int, Field(ge=0, le=100_000)] = 0
    """vCPUs kept running when there is nothing to do; above 0 they cost money day and night."""
    architecture: Architecture = "amd64"
    """What its images must be made for."""
    instance_types: tuple[InstanceType, ...] | None = Field(default=None, min_length=1, strict=False)
    """Families (``m6i``) or exact types (``m6i.large``). Default: general, compute and memory families of the
    architecture. Types with GPUs make a GPU pool."""
    ami: Annotated[str, StringConstraints(pattern=r"^ami-[0-9a-f]{8,17}$")] | None = None
    """A machine image of yours, made from the ECS-optimized Amazon Linux 2023. Default: that one, the newest."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 1
    """Of two pools that want the same machines, the one with the higher number goes first."""
    usd_per_vcpu_hour: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Price for estimates of what a run cost; without both prices the cost is unknown."""
    usd_per_gib_hour: Annotated[float, Field(ge=0, le=1000)] | None = None
    """Price of memory. Where a machine's price is not split, put it all on vCPUs and 0 here."""
    root_gib: Annotated[int, Field(ge=30, le=16_384)] = 50
    """Size of a machine's encrypted root disk; scratch space of jobs included, unless `scratch_gib` is set."""
    scratch_gib: Annotated[int, Field(ge=0, le=16_384)] = 0
    """Size of a disk of its own for the jobs' scratch space; 0: none."""
    session_manager: bool = False
    """Whether people may open a shell on the machines by Session Manager, to look for a fault."""

    @property
    def types(self) -> tuple[str, ...]:
        """Instance types, the defaults filled in."""
        return self.instance_types or _GENERAL[self.architecture]

    @property
    def gpu(self) -> bool:
        """Whether the machines have GPUs."""
        return any(each.gpus for each in instances.expand(self.types)[0])
