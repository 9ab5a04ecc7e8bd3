"""Rules of DynamoDB for the calls that read and write items."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from dropbatch.sandbox.rules.expressions import check_expressions, read, scopes
from dropbatch.sandbox.rules.rule import Known, Params, Rule, text_bytes

__all__ = ["DYNAMODB_RULES"]

_API = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_"
_GUIDE = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/"
_CODE = "ValidationException"
_MOST_ITEM_BYTES = 400 * 1024
_MOST_TRANSACTION_BYTES = 4 * 1024 * 1024
_MOST_KEY_BYTES = 2048
_MOST_DIGITS = 38
_MOST_LEVELS = 32
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

_READS = ("GetItem", "Query", "Scan", "BatchGetItem")
_WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
_ALL = (*_READS, *_WRITES, "BatchWriteItem")
_rule = partial(Rule, code=_CODE)

Value = Mapping[str, Any]


def _bodies(params: Params) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return each part of a request that has a table and an item or a key, with its path."""
    if "TransactItems" in params:
        yield from scopes(params)
    elif "RequestItems" in params:
        for table, wanted in params["RequestItems"].items():
            if isinstance(wanted, Mapping):
                for index, key in enumerate(wanted.get("Keys") or ()):
                    yield f"RequestItems.{table}.Keys[{index}].", {"TableName": table, "Key": key}
                continue
            for index, step in enumerate(wanted):
                for verb, body in step.items():
                    yield f"RequestItems.{table}[{index}].{verb}.", {"TableName": table, **body}
    else:
        yield "", params


def _key_of(body: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the primary key of the item in `body`; None if the table's key attributes are unknown."""
    if body.get("Key") is not None:
        return dict(body["Key"])
    names, item = keys.get(body.get("TableName", "")), body.get("Item")
    return None if names is None or item is None else {name: item.get(name) for name in names}


def _key_names(params: Params, known: Known) -> dict[str, Any]:
    """Return key attributes by table: the known ones, and those visible in the request."""
    shown = {body["TableName"]: sorted(body["Key"]) for _, body in _bodies(params) if body.get("Key")}
    return {**shown, **known.keys}


def _same_item(params: Params, known: Known) -> Iterator[str]:
    names, seen = _key_names(params, known), set()
    for place, body in _bodies(params):
        key = _key_of(body, names)
        if key is None:
            continue
        mark = (body.get("TableName"), repr(sorted(key.items())))
        if mark in seen:
            yield f"{place.rstrip('.')}: no two actions of a request may be on one item, got twice {key}"
        seen.add(mark)


def _one_action(params: Params, known: Known) -> Iterator[str]:
    for index, action in enumerate(params.get("TransactItems") or ()):
        if len(action) != 1:
            yield f"TransactItems[{index}]: exactly one action, got {', '.join(sorted(action)) or 'none'}"


def _keys(params: Params, known: Known) -> Iterator[str]:
    names = _key_names(params, known)
    for place, body in _bodies(params):
        for name, value in (_key_of(body, names) or {}).items():
            kind, content = next(iter((value or {}).items()), ("nothing", ""))
            if kind not in {"S", "N", "B"}:
                yield f"{place}{name}: a key attribute must be a string, a number or bytes, got {kind}"
            elif not 1 <= text_bytes(content) <= _MOST_KEY_BYTES:
                yield f"{place}{name}: a key attribute must have 1 to {_MOST_KEY_BYTES:,} bytes, got {content!r:.40}"


def _values(params: Params, known: Known) -> Iterator[str]:
    for place, body in _bodies(params):
        for member in ("Key", "Item", "ExpressionAttributeValues", "ExclusiveStartKey"):
            for name, value in (body.get(member) or {}).items():
                if isinstance(value, Mapping) and len(value) == 1 and "S" in value:
                    continue  # most are, and requests have up to thousands
                for wrong in _value(value, 1):
                    yield f"{place}{member}.{name}: {wrong}"


def _value(value: Any, level: int) -> Iterator[str]:
    if not isinstance(value, Mapping) or len(value) != 1:
        yield f"must have exactly one type, got {value!r:.60}"
        return
    ((kind, content),) = value.items()
    if level > _MOST_LEVELS:
        yield f"at most {_MOST_LEVELS} levels of nesting"
    elif kind == "N":
        yield from _number(content)
    elif kind in {"SS", "NS", "BS"}:
        if not content or len(set(content)) != len(content):
            yield f"a set must have elements, each once, got {content!r:.60}"
    elif kind == "M":
        for each in content.values():
            yield from _value(each, level + 1)
    elif kind == "L":
        for each in content:
            yield from _value(each, level + 1)


def _number(text: Any) -> Iterator[str]:
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        yield f"must be a number as a string, got {text!r:.60}"
    elif len(re.sub(r"[eE].*|\D", "", text).strip("0")) > _MOST_DIGITS:
        yield f"a number has at most {_MOST_DIGITS} significant digits, got {text}"


def _size(value: Any) -> int:
    """Return the size of an attribute value by the developer guide's formula."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return 0
    ((kind, content),) = value.items()
    if kind in {"S", "B"}:
        return text_bytes(content)
    if kind == "N":
        return (len(str(content).strip("-0.")) + 1) // 2 + 1
    if kind in {"SS", "BS", "NS"}:
        return sum(text_bytes(each) for each in content)
    if kind == "M":
        return 3 + sum(1 + text_bytes(name) + _size(each) for name, each in content.items())
    return 3 + sum(1 + _size(each) for each in content) if kind == "L" else 1


def _item_size(params: Params, known: Known) -> Iterator[str]:
    total = 0
    for place, body in _bodies(params):
        item = body.get("Item")
        if not item:
            continue
        size = sum(text_bytes(name) + _size(value) for name, value in item.items())
        total += size
        if size > _MOST_ITEM_BYTES:
            yield f"{place}Item: at most {_MOST_ITEM_BYTES:,} bytes, got {size:,}"
    if "TransactItems" in params and total > _MOST_TRANSACTION_BYTES:
        yield f"TransactItems: at most {_MOST_TRANSACTION_BYTES:,} bytes of items, got {total:,}"


def _batch(params: Params, known: Known) -> Iterator[str]:
    reads = all(isinstance(wanted, Mapping) for wanted in (params.get("RequestItems") or {}).values())
    most, count = (100 if reads else 25), sum(1 for _ in _bodies(params))
    if count > most:
        yield f"RequestItems: at most {most} {'keys' if reads else 'requests'} in all tables, got {count}"


def _query(params: Params, known: Known) -> Iterator[str]:
    if not params.get("KeyConditionExpression") and not params.get("KeyConditions"):
        yield "KeyConditionExpression: required, unless KeyConditions is given"
    names = params.get("ExpressionAttributeNames") or {}

    def used(member: str) -> set[str]:
        part = read(params.get(member) or "", False)
        return {names.get(each, each) for each in part.names | part.bare}

    if both := sorted(used("KeyConditionExpression") & used("FilterExpression")):
        yield f"FilterExpression: must not have key attributes, got {', '.join(both)}"
    select = params.get("Select")
    if params.get("ProjectionExpression") and select not in {None, "SPECIFIC_ATTRIBUTES"}:
        yield f"Select: only SPECIFIC_ATTRIBUTES goes with ProjectionExpression, got {select}"


def _returned(params: Params, known: Known) -> Iterator[str]:
    if params.get("ReturnValues") not in {None, "NONE", "ALL_OLD"}:
        yield f"ReturnValues: must be NONE or ALL_OLD, got {params['ReturnValues']}"


def _expressions(kind: str) -> Callable[[Params, Known], Iterator[str]]:
    def check(params: Params, known: Known) -> Iterator[str]:
        yield from (message for found, message in check_expressions(params) if found == kind)

    return check


_EXPRESSING = (*_READS, *_WRITES)

DYNAMODB_RULES: tuple[Rule, ...] = (
    _rule(
        name="placeholders all defined and all used",
        operations=_EXPRESSING,
        check=_expressions("placeholders"),
        source=f"{_GUIDE}Expressions.ExpressionAttributeNames.html",
    ),
    _rule(
        name="reserved words",
        operations=_EXPRESSING,
        check=_expressions("reserved"),
        source=f"{_GUIDE}ReservedWords.html",
    ),
    _rule(
        name="size of an expression",
        operations=_EXPRESSING,
        check=_expressions("size"),
        source=f"{_GUIDE}Constraints.html#limits-expression-parameters",
    ),
    _rule(
        name="each attribute updated once, and none of the key",
        operations=("UpdateItem", "TransactWriteItems"),
        check=_expressions("update"),
        source=f"{_GUIDE}Expressions.UpdateExpressions.html",
    ),
    _rule(
        name="one action on an item",
        operations=("TransactWriteItems", "BatchGetItem", "BatchWriteItem"),
        check=_same_item,
        source=f"{_API}TransactWriteItems.html",
    ),
    _rule(
        name="one action in a step",
        operations=("TransactWriteItems",),
        check=_one_action,
        source=f"{_API}TransactWriteItem.html",
    ),
    _rule(
        name="length of keys",
        operations=_ALL,
        check=_keys,
        source=f"{_GUIDE}Constraints.html#limits-partition-sort-keys",
    ),
    _rule(name="attribute values", operations=_ALL, check=_values, source=f"{_API}AttributeValue.html"),
    _rule(
        name="size of items",
        operations=("PutItem", "TransactWriteItems", "BatchWriteItem"),
        check=_item_size,
        source=f"{_GUIDE}Constraints.html#limits-items",
    ),
    _rule(
        name="items in a batch",
        operations=("BatchGetItem", "BatchWriteItem"),
        check=_batch,
        source=f"{_API}BatchGetItem.html",
    ),
    _rule(name="query", operations=("Query",), check=_query, source=f"{_API}Query.html"),
    _rule(
        name="returned values",
        operations=("PutItem", "DeleteItem"),
        check=_returned,
        source=f"{_API}PutItem.html",
    ),
)
