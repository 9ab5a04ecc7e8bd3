"""Whether runs can be submitted: the deployment is not paused, and a pool has capacity."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dropbatch.contract import ledger
from dropbatch.contract.items import ExhaustedPool
from lambdas.ledger.table import Ledger

__all__ = ["Availability", "read_availability"]


class Availability(NamedTuple):
    """The pause flag and the exhausted pools, as read once for an invocation."""

    paused: bool
    exhausted: frozenset[str] = frozenset()
    """Names of pools without capacity."""

    def choose(self, pools: Sequence[str], wanted: str) -> str | None:
        """Return the pool for a run: `wanted`, or the next of its pipeline's `pools` that has capacity.

        After the last pool comes the first. Return None when no pool has capacity, or during a pause: the run stays
        HELD.
        """
        if self.paused:
            return None
        start = pools.index(wanted) if wanted in pools else 0
        return next((pool for pool in (*pools[start:], *pools[:start]) if pool not in self.exhausted), None)


def read_availability(table: Ledger, pools: Iterable[str]) -> Availability:
    """Read the flags of the pause and of the exhausted pools."""
    now = table.now()
    items = table.read([ledger.PAUSED, *map(ledger.exhausted_key, pools)])
    paused = items.pop(ledger.PAUSED, None) is not None
    flags = map(ExhaustedPool.from_item, items.values())
    return Availability(paused=paused, exhausted=frozenset(flag.pool for flag in flags if flag.until > now))
