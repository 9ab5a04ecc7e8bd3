"""The LIMIT item of a group's month: what is left of it, read and changed. Steps are entries of TransactItems."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Limit

__all__ = ["charge", "holding", "release", "write_settling"]

_ROUNDS = 12

_Item = Mapping[str, Any]


def holding(limit: Limit, month: str, amount: int) -> dict[str, Any]:
    """Field ``reserved`` of a run that may use so much: the month that it counts in stays there for good."""
    return {"month": month, "unit": limit.unit, "amount": amount}


def release(table: str, run: _Item, used: int | None) -> dict[str, Any] | None:
    """The step, if one is needed, at the end of a run (RUN item): what it held comes back, less what was used.

    What is not known to have been used is taken for all of it.
    """
    held = run.get("reserved", {}).get("amount", 0)
    return _change(table, run, 0 if used is None else held - used)


def charge(table: str, run: _Item, used: int | None) -> dict[str, Any] | None:
    """The step, if one is needed, at the end of an attempt after which the run goes on, and goes on holding."""
    held = run.get("reserved", {}).get("amount", 0)
    return _change(table, run, -(held if used is None else used))


def write_settling(
    dynamodb: Any,
    steps: Sequence[Mapping[str, Any]],
    settlement: Mapping[str, Any] | None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Write steps in one transaction, with the settlement if there is one; returns whether their conditions held.

    Raises:
        ClientError: throttled or refused; whether anything was written is not known.
    """
    for left in reversed(range(_ROUNDS)):
        try:
            dynamodb.transact_write_items(TransactItems=[*steps, *([settlement] if settlement else [])])
        except dynamodb.exceptions.TransactionCanceledException as error:
            codes = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            if "ConditionalCheckFailed" in codes[: len(steps)]:
                return False
            if "ConditionalCheckFailed" in codes:
                settlement = None  # the group's limit counts something else by now
            elif "TransactionConflict" not in codes or not left:
                raise
            else:
                # Ends of other runs are being counted in the same items.
                sleep(random.uniform(0.01, 0.1))  # noqa: S311
            continue
        return True
    raise AssertionError("unreachable")


def _change(table: str, run: _Item, by: int) -> dict[str, Any] | None:
    reserved = run.get("reserved", {})
    if not by or not reserved.get("amount"):
        return None
    return {
        "Update": {
            "TableName": table,
            "Key": ledger.to_item({"id": ledger.limit_key(run["group"], reserved["month"])}),
            "UpdateExpression": "ADD remaining :by",
            # A limit that counts something else since then owes this run nothing.
            "ConditionExpression": "#unit = :unit",
            "ExpressionAttributeNames": {"#unit": "unit"},
            "ExpressionAttributeValues": ledger.to_item({":by": by, ":unit": reserved["unit"]}),
        }
    }
