"""DynamoDB's condition and update expressions, limited to those that dropbatch uses."""

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from dropbatch.contract.ledger import from_value

_COMPARISON = re.compile(r"^(\S+) (=|<|>|<=|>=|<>) (:\w+)$")
_BETWEEN = re.compile(r"(\S+) BETWEEN (:\w+) AND (:\w+)")
_FUNCTION = re.compile(r"^(attribute_exists|attribute_not_exists)\((\S+)\)$")
_CLAUSE = re.compile(r"\b(SET|REMOVE|ADD|DELETE) ")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class _Step(NamedTuple):
    """A term of a condition, or a step of an update: operation, attribute and value."""

    verb: str
    name: str
    value: str = ""


def holds(expression: str, item: Mapping[str, Any], names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """Return whether a conjunction of comparisons and existence checks holds for an item in wire form."""
    for term in _terms(expression):
        name = names.get(term.name, term.name)
        if term.verb in _COMPARE:
            true = name in item and _COMPARE[term.verb](from_value(item[name]), from_value(values[term.value]))
        else:
            true = (name in item) == (term.verb == "attribute_exists")
        if not true:
            return False
    return True


def update(expression: str, item: dict[str, Any], names: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Apply SET with plain values, ADD of numbers and REMOVE to an item in wire form."""
    for step in _steps(expression):
        name = names.get(step.name, step.name)
        if step.verb == "SET":
            item[name] = values[step.value]
        elif step.verb == "ADD":
            old = int(item.get(name, {"N": "0"})["N"])
            item[name] = {"N": str(old + int(values[step.value]["N"]))}
        elif step.verb == "REMOVE":
            item.pop(name, None)
        else:
            raise NotImplementedError(step.verb)


@lru_cache(maxsize=1000)
def _terms(expression: str) -> list[_Step]:
    found = []
    for term in _BETWEEN.sub(r"\1 >= \2 AND \1 <= \3", expression).split(" AND "):
        if match := _FUNCTION.match(term.strip()):
            found.append(_Step(match[1], match[2]))
        elif match := _COMPARISON.match(term.strip()):
            found.append(_Step(match[2], match[1], match[3]))
        else:
            raise NotImplementedError(f"condition {term!r}")
    return found


@lru_cache(maxsize=1000)
def _steps(expression: str) -> list[_Step]:
    parts = _CLAUSE.split(expression)[1:]
    return [
        _Step(verb, *step.replace("=", " ").split())
        for verb, body in zip(parts[::2], parts[1::2], strict=True)
        for step in body.split(",")
    ]
