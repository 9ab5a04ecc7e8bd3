"""Settling a run with its group's monthly limit. Functions return entries of TransactItems."""

from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.items import Run

__all__ = ["charge", "release"]


def release(table: str, run: Run, used: int | None) -> dict[str, Any] | None:
    """Return the entry for the end of a run: what it reserved comes back, less what was used.

    None where there is nothing to settle. If it is not known what was used, that is taken for all of it.
    """
    held = run.reserved.amount if run.reserved else 0
    return _change(table, run, 0 if used is None else held - used)


def charge(table: str, run: Run, used: int | None) -> dict[str, Any] | None:
    """Return the entry for the end of an attempt after which the run goes on, and keeps its reservation."""
    held = run.reserved.amount if run.reserved else 0
    return _change(table, run, -(held if used is None else used))


def _change(table: str, run: Run, by: int) -> dict[str, Any] | None:
    if not by or run.reserved is None or not run.reserved.amount:
        return None
    return {
        "Update": {
            "TableName": table,
            "Key": ledger.to_item({"id": ledger.limit_key(run.group, run.reserved.month)}),
            "UpdateExpression": "ADD remaining :by",
            # A limit that counts in another unit since then owes this run nothing.
            "ConditionExpression": "#unit = :unit",
            "ExpressionAttributeNames": {"#unit": "unit"},
            "ExpressionAttributeValues": ledger.to_item({":by": by, ":unit": run.reserved.unit}),
        }
    }
