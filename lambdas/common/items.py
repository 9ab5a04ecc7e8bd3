"""Items of the ledger, many at a time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from dropbatch.contract import ledger
from lambdas.common.batches import chunks

__all__ = ["MAX_TRANSACTION", "read_items", "write_where_true"]

MAX_TRANSACTION = 100
"""Items that one transaction of DynamoDB takes, and one BatchGetItem."""

_T = TypeVar("_T")
_ROUNDS = 8


def read_items(dynamodb: Any, table: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Items by id as they are now, in plain values; those that do not exist are absent.

    Raises:
        LookupError: DynamoDB left some unread again and again, being too busy.
    """
    found: dict[str, dict[str, Any]] = {}
    for part in chunks(dict.fromkeys(ids), MAX_TRANSACTION):
        wanted = [ledger.to_item({"id": item_id}) for item_id in part]
        for _ in range(_ROUNDS):
            answer = dynamodb.batch_get_item(RequestItems={table: {"Keys": wanted, "ConsistentRead": True}})
            for item in answer["Responses"].get(table, []):
                plain = ledger.from_item(item)
                found[plain["id"]] = plain
            wanted = (answer.get("UnprocessedKeys") or {}).get(table, {}).get("Keys", [])
            if not wanted:
                break
        else:
            raise LookupError(f"{len(wanted)} items could not be read: the table is too busy")
    return found


def write_where_true(dynamodb: Any, wanted: Sequence[_T], step: Callable[[_T], Mapping[str, Any]]) -> list[_T]:
    """Write, in one transaction, those of at most `MAX_TRANSACTION` items whose condition holds; returns them.

    `step` makes the entry of TransactItems. Those whose condition does not hold are left out and the rest tried again.

    Raises:
        ClientError: throttled or refused; whether anything was written is not known.
    """
    left = list(wanted)
    while left:
        try:
            dynamodb.transact_write_items(TransactItems=[step(each) for each in left])
        except dynamodb.exceptions.TransactionCanceledException as error:
            reasons = [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])]
            untrue = [code == "ConditionalCheckFailed" for code in reasons]
            if not any(untrue):
                raise
            left = [each for each, failed in zip(left, untrue, strict=True) if not failed]
            continue
        break
    return left
