"""Parse DynamoDB's expressions: their placeholders, attribute names and paths.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dropbatch.sandbox.rules.reserved_words import RESERVED_WORDS
from dropbatch.sandbox.rules.rule import Params

__all__ = ["FIELDS", "Expression", "check_expressions", "read", "scopes", "updated"]

FIELDS = (
    *("ConditionExpression", "UpdateExpression", "KeyConditionExpression", "FilterExpression"),
    "ProjectionExpression",
)
_MOST_BYTES = 4096
_TOKEN = re.compile(r"[:#]?[A-Za-z0-9_]+|\S")
_OPERATORS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN"})
_CLAUSES = frozenset({"SET", "REMOVE", "ADD", "DELETE"})


@dataclass(frozen=True)
class Expression:
    """Placeholders, names and paths of an expression."""

    names: frozenset[str]
    """Placeholders such as ``#state``."""
    values: frozenset[str]
    """Placeholders such as ``:now``."""
    bare: frozenset[str]
    """Names of attributes that are written out."""
    targets: tuple[str, ...]
    """Of an UpdateExpression: the attributes it changes, whole ones only, as they are written."""


@lru_cache(maxsize=4096)
def read(text: str, update: bool) -> Expression:
    """Parse an expression; `update` marks an UpdateExpression."""
    tokens = _TOKEN.findall(text)
    bare: set[str] = set()
    for place, token in enumerate(tokens):
        if not (token[0].isalpha() or token[0] == "_"):
            continue
        called = tokens[place + 1 : place + 2] == ["("] and token.upper() not in _OPERATORS
        word = token.upper() in (_OPERATORS | _CLAUSES if update else _OPERATORS)
        if not called and not word:
            bare.add(token)
    return Expression(
        names=frozenset(token for token in tokens if token[0] == "#"),
        values=frozenset(token for token in tokens if token[0] == ":"),
        bare=frozenset(bare),
        targets=tuple(_targets(tokens)) if update else (),
    )


def _targets(tokens: list[str]) -> Iterator[str]:
    """Return the first name of each part of each clause, unless it continues as a path."""
    depth, begins = 0, False
    for place, part in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(part, 0)
        if part.upper() in _CLAUSES or (part == "," and depth == 0):
            begins = True
        elif begins:
            begins = False
            if tokens[place + 1 : place + 2] not in (["."], ["["]):
                yield part


def scopes(params: Params) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return each part of a request with its own expressions and placeholders, with its path."""
    if "TransactItems" in params:
        for index, action in enumerate(params.get("TransactItems") or ()):
            for verb, body in action.items():
                yield f"TransactItems[{index}].{verb}.", body
    elif "RequestItems" in params:
        for table, body in (params.get("RequestItems") or {}).items():
            yield f"RequestItems.{table}.", body
    else:
        yield "", params


def updated(body: Mapping[str, Any]) -> list[str]:
    """Return the top-level attributes that an UpdateExpression replaces entirely."""
    names = body.get("ExpressionAttributeNames") or {}
    return [names.get(each, each) for each in read(body.get("UpdateExpression") or "", True).targets]


def check_expressions(params: Params) -> Iterator[tuple[str, str]]:
    """Return the errors in a request's expressions, each with its rule."""
    for place, body in scopes(params):
        present = [name for name in FIELDS if body.get(name) is not None]
        parts = [read(body[name], name == "UpdateExpression") for name in present]
        for name, part in zip(present, parts, strict=True):
            yield from _one(place + name, body[name], part)
        yield from _placeholders(place, body, parts)
        if "UpdateExpression" in present:
            yield from _update(place, body)


def _one(place: str, text: str, part: Expression) -> Iterator[tuple[str, str]]:
    if not text.strip():
        yield "size", f"{place}: the expression can not be empty"
    if len(text.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        yield "size", f"{place}: at most {_MOST_BYTES:,} bytes, got {len(text.encode()):,}"
    for word in sorted(part.bare):
        if word.upper() in RESERVED_WORDS:
            yield "reserved", f"{place}: attribute name is a reserved keyword; reserved keyword: {word}"


def _placeholders(place: str, body: Mapping[str, Any], parts: list[Expression]) -> Iterator[tuple[str, str]]:
    for member, used in (
        ("ExpressionAttributeNames", frozenset().union(*(part.names for part in parts))),
        ("ExpressionAttributeValues", frozenset().union(*(part.values for part in parts))),
    ):
        given = body.get(member)
        if given is None:
            given = {}
        elif not given:
            yield "placeholders", f"{place}{member}: must not be empty"
        if unused := sorted(set(given) - used):
            yield "placeholders", f"{place}{member}: unused in expressions: {', '.join(unused)}"
        if undefined := sorted(used - set(given)):
            yield "placeholders", f"{place}{member}: used in expressions, but not defined: {', '.join(undefined)}"


def _update(place: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    targets = updated(body)
    for name in sorted({each for each in targets if targets.count(each) > 1}):
        yield "update", f"{place}UpdateExpression: two document paths overlap with each other: {name}"
    for name in sorted(set(targets) & set(body.get("Key") or ())):
        yield "update", f"{place}UpdateExpression: cannot update attribute {name}, which is part of the key"
