"""What keeps runs from being submitted: a pause, and pools without capacity."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from dropbatch.contract import ledger
from lambdas.common.items import read_items

__all__ = ["Gates", "read_gates"]


class Gates(NamedTuple):
    """The flags of the ledger at one moment."""

    paused: bool
    dry: frozenset[str] = frozenset()
    """Pools without capacity."""

    def place(self, pools: Sequence[str], wanted: str) -> str | None:
        """The pool for a run that wants one of its pipeline's: that, or the next with capacity.

        The first comes after the last. None when there is none, or when everything is paused: the run stays HELD.
        """
        if self.paused:
            return None
        start = pools.index(wanted) if wanted in pools else 0
        return next((pool for pool in (*pools[start:], *pools[:start]) if pool not in self.dry), None)


def read_gates(dynamodb: Any, table: str, pools: Iterable[str], *, now: str) -> Gates:
    """Read the flags; `now` is a `timestamp`."""
    dry = {ledger.dry_key(pool): pool for pool in pools}
    items = read_items(dynamodb, table, [ledger.PAUSED, *dry])
    return Gates(
        paused=ledger.PAUSED in items,
        dry=frozenset(pool for key, pool in dry.items() if key in items and items[key]["until"] > now),
    )
