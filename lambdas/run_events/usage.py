"""Compute the usage of an attempt from the tries that Batch reports. Pure."""

from dropbatch.contract.deployment import Pool
from dropbatch.contract.usage import Usage
from lambdas.run_events.changes import JobChange

__all__ = ["usage_of"]

_HOUR_MS = 3_600_000
_MICRO = 1_000_000


def usage_of(change: JobChange, pool: Pool | None) -> Usage:
    """Return the usage of all tries of an ended job; parts that cannot be known are None."""
    time_ms = _time_ms(change)
    if time_ms == 0:
        return Usage(vcpu_ms=0, mib_ms=0, micro_usd=0)
    vcpu_ms = _times(change.vcpus, time_ms)
    mib_ms = _times(change.memory_mib, time_ms)
    return Usage(vcpu_ms=vcpu_ms, mib_ms=mib_ms, micro_usd=_cost(vcpu_ms, mib_ms, pool))


def _time_ms(change: JobChange) -> int | None:
    """Sum of the running times of the job's containers in milliseconds; None if unknown."""
    if not change.tries:
        return None if change.started_at else 0
    total = 0
    for each in change.tries:
        if each.started_ms is None:
            continue  # the container never started, for example because its image could not be pulled
        if each.stopped_ms is None:
            return None
        total += max(0, each.stopped_ms - each.started_ms)
    return total


def _times(amount: int | None, time_ms: int | None) -> int | None:
    return None if amount is None or time_ms is None else amount * time_ms


def _cost(vcpu_ms: int | None, mib_ms: int | None, pool: Pool | None) -> int | None:
    if pool is None or pool.usd_per_vcpu_hour is None or pool.usd_per_gib_hour is None:
        return None
    if vcpu_ms is None or mib_ms is None:
        return None
    hours = vcpu_ms / _HOUR_MS * pool.usd_per_vcpu_hour + mib_ms / 1024 / _HOUR_MS * pool.usd_per_gib_hour
    return round(hours * _MICRO)
