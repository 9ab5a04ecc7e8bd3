"""Split items into batches, and read items from DynamoDB in batches."""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from dropbatch.contract import ledger

__all__ = ["MAX_ITEMS", "chunks", "read_items"]

MAX_ITEMS = 100
"""Maximum number of keys in a BatchGetItem call, and of entries in a transaction:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""

_T = TypeVar("_T")
_ROUNDS = 8
_FIRST_SECONDS = 0.05


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield items in lists of `size`; the last one may be shorter."""
    source = iter(items)
    while part := list(itertools.islice(source, size)):
        yield part


def read_items(
    dynamodb: Any, table: str, ids: Iterable[str], *, sleep: Callable[[float], None] = time.sleep
) -> dict[str, dict[str, Any]]:
    """Return the plain values of ledger items by id, read consistently; ids without an item are absent.

    Keys that DynamoDB returns as unprocessed are requested again after a pause that doubles each time.

    Raises:
        LookupError: some keys were unprocessed in every try.
    """
    items: dict[str, dict[str, Any]] = {}
    for part in chunks(dict.fromkeys(ids), MAX_ITEMS):
        wanted = [ledger.to_item({"id": item_id}) for item_id in part]
        for round_ in range(_ROUNDS):
            if round_:
                sleep(random.uniform(0, _FIRST_SECONDS * 2**round_))  # noqa: S311
            answer = dynamodb.batch_get_item(RequestItems={table: {"Keys": wanted, "ConsistentRead": True}})
            for item in map(ledger.from_item, answer["Responses"].get(table, [])):
                items[item["id"]] = item
            wanted = (answer.get("UnprocessedKeys") or {}).get(table, {}).get("Keys", [])
            if not wanted:
                break
        else:
            raise LookupError(f"{len(wanted)} items could not be read: the table is too busy")
    return items
