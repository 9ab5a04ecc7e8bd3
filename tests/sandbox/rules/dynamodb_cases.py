"""Cases for the rules of DynamoDB."""

from typing import Any

from dropbatch.sandbox.rules import Known
from tests.sandbox.rules.cases import Case

TABLE = Known(keys={"t": ("id",)})
KEY = {"TableName": "t", "Key": {"id": {"S": "a"}}}


def update(expression: str, **values: str) -> dict[str, Any]:
    given = {"ExpressionAttributeValues": {f":{name}": {"S": value} for name, value in values.items()}}
    return {**KEY, "UpdateExpression": expression, **(given if values else {})}


def put(**item: Any) -> dict[str, Any]:
    return {"TableName": "t", "Item": {"id": {"S": "a"}, **item}}


def transaction(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"TransactItems": list(steps)}


def sized(size: int, name: str = "a") -> dict[str, Any]:
    """Return an item of this size: names and values of both attributes."""
    return {"TableName": "t", "Item": {"id": {"S": name}, "b": {"S": "x" * (size - len("id") - len(name) - len("b"))}}}


def keys(count: int) -> dict[str, Any]:
    return {"RequestItems": {"t": {"Keys": [{"id": {"S": str(number)}} for number in range(count)]}}}


def nested(levels: int) -> Any:
    value: Any = {"S": "x"}
    for _ in range(levels - 1):
        value = {"L": [value]}
    return value


PLACEHOLDERS, RESERVED = "placeholders all defined and all used", "reserved words"
VALUES = "attribute values"
CASES = [
    Case(PLACEHOLDERS, "UpdateItem", update("SET a = :a", a="1"), update("SET a = :a", a="1", b="2"), "unused"),
    Case(
        PLACEHOLDERS, "UpdateItem", update("SET a = :a", a="1"), update("SET a = :a, b = :b", a="1"), "not defined: :b"
    ),
    Case(
        PLACEHOLDERS,
        "UpdateItem",
        update("REMOVE a"),
        {**update("REMOVE a"), "ExpressionAttributeNames": {}},
        "must not be empty",
    ),
    Case(
        PLACEHOLDERS,
        "TransactWriteItems",
        transaction({"Put": {**put(), "ConditionExpression": "attribute_not_exists(id)"}}),
        transaction({"Put": {**put(), "ConditionExpression": "attribute_not_exists(#id)"}}),
        "TransactItems[0].Put.ExpressionAttributeNames",
    ),
    Case(
        PLACEHOLDERS,
        "GetItem",
        {**KEY, "ProjectionExpression": "#a", "ExpressionAttributeNames": {"#a": "state"}},
        {**KEY, "ExpressionAttributeNames": {"#a": "state"}},
        "unused in expressions: #a",
    ),
    Case(RESERVED, "UpdateItem", update("SET job_id = :a", a="1"), update("SET state = :a", a="1"), "keyword: state"),
    Case(
        RESERVED,
        "Query",
        {"FilterExpression": "size(a) > :a AND NOT contains(b, :a)"},
        {"FilterExpression": "size > :a"},
        "keyword: size",
    ),
    Case(RESERVED, "GetItem", {"ProjectionExpression": "a.b"}, {"ProjectionExpression": "a, b.Items"}, "Items"),
    Case(
        "size of an expression", "UpdateItem", update("REMOVE " + "a" * 4089), update("REMOVE " + "a" * 4090), "4,096"
    ),
    Case("size of an expression", "UpdateItem", update("REMOVE a"), update(" "), "empty"),
    Case(
        "each attribute updated once, and none of the key",
        "UpdateItem",
        update("SET a = if_not_exists(a, :a), c = :a REMOVE b", a="1"),
        update("SET a = :a REMOVE a", a="1"),
        "overlap",
    ),
    Case(
        "each attribute updated once, and none of the key",
        "UpdateItem",
        update("ADD a :a DELETE b :a", a="1"),
        update("SET id = :a", a="1"),
        "part of the key",
    ),
    Case(
        "one action on an item",
        "TransactWriteItems",
        transaction({"Put": put()}, {"Update": {**update("REMOVE a"), "Key": {"id": {"S": "b"}}}}),
        transaction({"Put": put()}, {"Update": update("REMOVE a")}),
        "on one item",
    ),
    Case(
        "one action on an item",
        "TransactWriteItems",
        transaction({"Put": put()}, {"Put": {"TableName": "t", "Item": {"id": {"S": "b"}}}}),
        transaction({"Put": put()}, {"Put": put(b={"S": "x"})}),
        "on one item",
        TABLE,
    ),
    Case(
        "one action on an item",
        "BatchGetItem",
        keys(2),
        {"RequestItems": {"t": {"Keys": [{"id": {"S": "1"}}] * 2}}},
        "on one item",
    ),
    Case("one action in a step", "TransactWriteItems", transaction({"Put": put()}), transaction({}), "exactly one"),
    Case("length of keys", "GetItem", KEY, {**KEY, "Key": {"id": {"S": ""}}}, "1 to 2,048 bytes"),
    Case(
        "length of keys",
        "GetItem",
        {**KEY, "Key": {"id": {"S": "é" * 1024}}},
        {**KEY, "Key": {"id": {"S": "é" * 1025}}},
        "1 to 2,048 bytes",
    ),
    Case("length of keys", "PutItem", put(), put(id={"BOOL": True}), "must be a string", TABLE),
    Case("length of keys", "PutItem", put(), {"TableName": "t", "Item": {"a": {"S": "x"}}}, "got nothing", TABLE),
    Case(VALUES, "PutItem", put(b={"N": "-1.5e3"}), put(b={"N": "one"}), "must be a number"),
    Case(VALUES, "PutItem", put(b={"N": "9" * 38}), put(b={"N": "9" * 39}), "38 significant digits"),
    Case(VALUES, "PutItem", put(b={"SS": ["x"]}), put(b={"SS": []}), "must have elements"),
    Case(VALUES, "PutItem", put(b={"SS": ["x", "y"]}), put(b={"SS": ["x", "x"]}), "each once"),
    Case(VALUES, "PutItem", put(b={"S": ""}), put(b={}), "exactly one type"),
    Case(VALUES, "PutItem", put(b=nested(32)), put(b=nested(33)), "32 levels"),
    Case(
        VALUES, "UpdateItem", update("SET a = :a", a=""), {**KEY, "ExpressionAttributeValues": {":a": {}}}, "one type"
    ),
    Case("size of items", "PutItem", sized(409_600), sized(409_601), "at most 409,600 bytes, got 409,601"),
    Case(
        "size of items",
        "TransactWriteItems",
        transaction(*({"Put": sized(400_000, name)} for name in "abcdefghij")),
        transaction(*({"Put": sized(400_000, name)} for name in "abcdefghijk")),
        "4,194,304 bytes of items",
    ),
    Case("items in a batch", "BatchGetItem", keys(100), keys(101), "at most 100 keys"),
    Case(
        "items in a batch",
        "BatchWriteItem",
        {"RequestItems": {"t": [{"PutRequest": {"Item": {"id": {"S": str(number)}}}} for number in range(25)]}},
        {"RequestItems": {"t": [{"PutRequest": {"Item": {"id": {"S": str(number)}}}} for number in range(26)]}},
        "at most 25 requests",
    ),
    Case(
        "query", "Query", {"KeyConditionExpression": "a = :a"}, {"IndexName": "i"}, "KeyConditionExpression: required"
    ),
    Case(
        "query",
        "Query",
        {"KeyConditionExpression": "#d = :a", "ExpressionAttributeNames": {"#d": "day"}, "FilterExpression": "b = :b"},
        {"KeyConditionExpression": "#d = :a", "ExpressionAttributeNames": {"#d": "b"}, "FilterExpression": "b = :b"},
        "must not have key attributes, got b",
    ),
    Case("returned values", "PutItem", {"ReturnValues": "ALL_OLD"}, {"ReturnValues": "ALL_NEW"}, "NONE or ALL_OLD"),
]
