"""The condition key ``dynamodb:LeadingKeys``: the partition-key values that a request touches.

Source: DynamoDB developer guide, "Using IAM policy conditions for fine-grained access control".
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["KeyNames", "leading_keys"]

Body = dict[str, Any]
KeyNames = Callable[[str, str | None], str | None]
"""Name of the partition key of a table, or of one of its indexes."""


def leading_keys(body: Body, key_of: KeyNames) -> list[str]:
    """Return the partition-key values in a request's body; a Scan has none."""
    return [str(value) for value in _values(body, key_of) if value is not None]


def _values(body: Body, key_of: KeyNames) -> Iterator[Any]:
    table = body.get("TableName")
    if isinstance(table, str):
        key = key_of(table, body.get("IndexName"))
        for source in ("Key", "Item"):
            yield _plain((body.get(source) or {}).get(key))
        yield from _queried(body, key)
    for name, wanted in (body.get("RequestItems") or {}).items():
        key = key_of(name, None)
        if isinstance(wanted, dict):  # BatchGetItem
            yield from (_plain(each.get(key)) for each in wanted.get("Keys") or [])
        else:  # BatchWriteItem
            for write in wanted:
                yield _plain((write.get("PutRequest") or {}).get("Item", {}).get(key))
                yield _plain((write.get("DeleteRequest") or {}).get("Key", {}).get(key))
    for entry in body.get("TransactItems") or []:
        for action in entry.values():
            key = key_of(str(action.get("TableName")), None)
            for source in ("Key", "Item"):
                yield _plain((action.get(source) or {}).get(key))


def _queried(body: Body, key: str | None) -> Iterator[Any]:
    """Return the partition key in a Query's condition, which must be an equality."""
    legacy = (body.get("KeyConditions") or {}).get(key)
    if legacy:
        yield from (_plain(each) for each in legacy.get("AttributeValueList") or [])
    names = body.get("ExpressionAttributeNames") or {}
    values = body.get("ExpressionAttributeValues") or {}
    for name, value in re.findall(r"([#\w.-]+)\s*=\s*(:\w+)", body.get("KeyConditionExpression") or ""):
        if names.get(name, name) == key:
            yield _plain(values.get(value))


def _plain(typed: Any) -> Any:
    """Return the value in ``{"S": "text"}``."""
    return next(iter(typed.values()), None) if isinstance(typed, dict) else None
