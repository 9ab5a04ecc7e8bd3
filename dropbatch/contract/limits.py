"""Units and amounts of monthly limits, and the maximum usage of a run.

Amounts are whole numbers in the limit's unit: vCPU-milliseconds, or millionths of a US dollar.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dropbatch.contract.usage import Usage

__all__ = ["MICRO_USD", "VCPU_MS", "Prices", "amount_of", "format_amount", "max_usage"]

VCPU_MS = "vcpu_ms"
MICRO_USD = "micro_usd"
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_MICRO = 1_000_000

Prices = tuple[float, float]
"""USD per vCPU-hour and per GiB-hour."""


def max_usage(unit: str, *, vcpus: int, memory_mib: int, timeout_minutes: int, prices: Iterable[Prices]) -> int:
    """Return the maximum usage of one try on the most expensive pool; a run reserves it until it ends."""
    time_ms = timeout_minutes * _MINUTE_MS
    if unit == VCPU_MS:
        return vcpus * time_ms
    hours = time_ms / _HOUR_MS
    highest = max((vcpus * vcpu + memory_mib / 1024 * gib for vcpu, gib in prices), default=0.0)
    return round(hours * highest * _MICRO)


def amount_of(unit: str, usage: "Usage") -> int | None:
    """Return the usage in the limit's unit; None when unknown."""
    amount: Any = getattr(usage, unit)
    return None if amount is None else int(amount)


def format_amount(unit: str, amount: int) -> str:
    """Return an amount as text: ``1.50 vCPU-hours`` or ``12.34 USD``."""
    if unit == VCPU_MS:
        return f"{amount / _HOUR_MS:.2f} vCPU-hours"
    return f"{amount / _MICRO:.2f} USD"
