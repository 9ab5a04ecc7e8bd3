from typing import Any

import pytest

from dropbatch.sandbox.leading_keys import leading_keys


def key_of(table: str, index: str | None) -> str | None:
    return {None: "id", "by-day": "day"}.get(index) if table == "t" else None


def s(text: str) -> dict[str, str]:
    return {"S": text}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"TableName": "t", "Key": {"id": s("a")}}, ["a"]),
        ({"TableName": "t", "Item": {"id": s("a"), "x": s("y")}}, ["a"]),
        (
            {"TableName": "t", "KeyConditionExpression": "id = :v", "ExpressionAttributeValues": {":v": s("a")}},
            ["a"],
        ),
        (
            {
                "TableName": "t",
                "IndexName": "by-day",
                "KeyConditionExpression": "(#d=:v) AND begins_with(id, :w)",
                "ExpressionAttributeNames": {"#d": "day"},
                "ExpressionAttributeValues": {":v": s("a"), ":w": s("b")},
            },
            ["a"],
        ),
        ({"TableName": "t", "KeyConditions": {"id": {"AttributeValueList": [s("a")]}}}, ["a"]),
        ({"RequestItems": {"t": {"Keys": [{"id": s("a")}, {"id": s("b")}]}}}, ["a", "b"]),
        (
            {
                "RequestItems": {
                    "t": [{"PutRequest": {"Item": {"id": s("a")}}}, {"DeleteRequest": {"Key": {"id": s("b")}}}]
                }
            },
            ["a", "b"],
        ),
        (
            {
                "TransactItems": [
                    {"Put": {"TableName": "t", "Item": {"id": s("a")}}},
                    {"Update": {"TableName": "t", "Key": {"id": s("b")}}},
                ]
            },
            ["a", "b"],
        ),
        ({"TableName": "t"}, []),  # a scan
        ({"TableName": "unknown", "Key": {"id": s("a")}}, []),
    ],
)
def test_all_partition_keys_of_a_request_are_read(body: dict[str, Any], expected: list[str]) -> None:
    assert leading_keys(body, key_of) == expected
