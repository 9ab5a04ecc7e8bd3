"""Usage of runs: vCPU time, memory time and estimated cost.

Amounts are whole numbers in small units, since the ledger stores no fractions. An unknown amount is None, and a sum
with an unknown part is unknown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["NOTHING", "MonthUsage", "Usage", "month_usage", "usd"]

UNKNOWN = "unknown"
_MICRO = 1_000_000
_PARTS = ("attempts", "vcpu_ms", "mib_ms", "micro_usd", "unknown_time", "unknown_cost")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Usage of one run or attempt."""

    vcpu_ms: int | None
    """vCPUs × milliseconds."""
    mib_ms: int | None
    """MiB × milliseconds."""
    micro_usd: int | None
    """Estimate in millionths of a US dollar."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            vcpu_ms=_sum(self.vcpu_ms, other.vcpu_ms),
            mib_ms=_sum(self.mib_ms, other.mib_ms),
            micro_usd=_sum(self.micro_usd, other.micro_usd),
        )

    def to_dict(self) -> dict[str, int | None]:
        """Return the values for the field ``usage`` of a RUN item."""
        return asdict(self)

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Usage":
        """Return the usage of a RUN item; zero when no attempt has ended yet."""
        return cls(**item["usage"]) if "usage" in item else NOTHING

    @property
    def vcpu_seconds(self) -> float | None:
        """vCPU-seconds."""
        return None if self.vcpu_ms is None else self.vcpu_ms / 1000

    @property
    def gib_seconds(self) -> float | None:
        """GiB-seconds."""
        return None if self.mib_ms is None else self.mib_ms / 1000 / 1024


NOTHING = Usage(vcpu_ms=0, mib_ms=0, micro_usd=0)


@dataclass(frozen=True, kw_only=True)
class MonthUsage:
    """Usage of all attempts of a group's pipeline that ended in a month. Unknown amounts are counted, not summed."""

    attempts: int = 0
    vcpu_ms: int = 0
    mib_ms: int = 0
    micro_usd: int = 0
    unknown_time: int = 0
    """Number of attempts of unknown duration."""
    unknown_cost: int = 0
    """Number of attempts of unknown cost. If there are any, `micro_usd` is a lower bound."""

    @classmethod
    def of(cls, usage: Usage) -> "MonthUsage":
        """Return the amounts that one ended attempt adds."""
        return cls(
            attempts=1,
            vcpu_ms=usage.vcpu_ms or 0,
            mib_ms=usage.mib_ms or 0,
            micro_usd=usage.micro_usd or 0,
            unknown_time=int(usage.vcpu_ms is None),
            unknown_cost=int(usage.micro_usd is None),
        )

    def fields(self, pipeline: str) -> dict[str, int]:
        """Return the amounts by attribute of a USAGE item (``<pipeline>:<part>``)."""
        return {f"{pipeline}:{part}": value for part, value in asdict(self).items() if value}


def month_usage(items: Iterable[Mapping[str, Any]]) -> dict[str, MonthUsage]:
    """Return the usage by pipeline, given the plain values of the USAGE items of a group's month."""
    sums: dict[str, dict[str, int]] = {}
    for item in items:
        for name, value in item.items():
            pipeline, colon, part = name.rpartition(":")
            if colon and part in _PARTS:
                parts = sums.setdefault(pipeline, {})
                parts[part] = parts.get(part, 0) + value
    return {pipeline: MonthUsage(**parts) for pipeline, parts in sorted(sums.items())}


def usd(micro_usd: int | None) -> str:
    """Return a cost as text: ``"0.0123"``, or ``"unknown"``."""
    return UNKNOWN if micro_usd is None else f"{micro_usd / _MICRO:.4f}"


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
