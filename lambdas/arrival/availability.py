"""Conditions under which runs are submitted: the deployment is not paused, and a pool has capacity."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dropbatch.contract import ledger
from dropbatch.contract.items import ExhaustedPool
from lambdas.ledger.table import Ledger

__all__ = ["Availability", "read_availability"]


class Availability(NamedTuple):
    """The flags of the ledger at one moment."""

    paused: bool
    exhausted: frozenset[str] = frozenset()
    """Pools without capacity."""

    def choose(self, pools: Sequence[str], wanted: str) -> str | None:
        """Return the pool for a run that wants one of its pipeline's: that, or the next one with capacity.

        The first comes after the last. None when no pool has capacity, or during a pause: the run stays HELD.
        """
        if self.paused:
            return None
        start = pools.index(wanted) if wanted in pools else 0
        return next((pool for pool in (*pools[start:], *pools[:start]) if pool not in self.exhausted), None)


def read_availability(table: Ledger, pools: Iterable[str]) -> Availability:
    """Return the flags as they are now."""
    now = table.now()
    items = table.read([ledger.PAUSED, *map(ledger.exhausted_key, pools)])
    paused = items.pop(ledger.PAUSED, None) is not None
    flags = map(ExhaustedPool.from_item, items.values())
    return Availability(paused=paused, exhausted=frozenset(flag.pool for flag in flags if flag.until > now))
