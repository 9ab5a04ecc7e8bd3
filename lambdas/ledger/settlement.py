"""Settle the usage of a run with its group's monthly limit. The functions return entries of TransactItems."""

from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.items import Run

__all__ = ["charge", "release"]


def release(table: str, run: Run, used: int | None) -> dict[str, Any] | None:
    """Return the entry that gives back, at the end of a run, the unused part of its reservation.

    Return None when there is nothing to settle. `used` is None when the usage is unknown: then nothing is given back.
    """
    held = run.reserved.amount if run.reserved else 0
    return _change(table, run, 0 if used is None else held - used)


def charge(table: str, run: Run, used: int | None) -> dict[str, Any] | None:
    """Return the entry that subtracts a used attempt from the limit when the run continues with another attempt.

    The run keeps its reservation. When the usage is unknown (`used` is None), the whole reserved amount is subtracted.
    """
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
            # Fails when the limit's unit was changed after the reservation: then there is nothing to settle.
            "ConditionExpression": "#unit = :unit",
            "ExpressionAttributeNames": {"#unit": "unit"},
            "ExpressionAttributeValues": ledger.to_item({":by": by, ":unit": run.reserved.unit}),
        }
    }
