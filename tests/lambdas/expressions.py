"""DynamoDB's condition and update expressions, as far as dropbatch uses them."""

import re
from collections.abc import Mapping
from typing import Any

from dropbatch.contract.ledger import from_value

_COMPARISON = re.compile(r"^(\S+) (=|<|>|<=|>=|<>) (:\w+)$")
_BETWEEN = re.compile(r"(\S+) BETWEEN (:\w+) AND (:\w+)")
_FUNCTION = re.compile(r"^(attribute_exists|attribute_not_exists)\((\S+)\)$")
_CLAUSE = re.compile(r"\b(SET|REMOVE|ADD|DELETE) ")


def holds(expression: str, item: Mapping[str, Any], names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """Whether a conjunction of comparisons and existence checks is true of an item in wire form."""
    plain = _BETWEEN.sub(r"\1 >= \2 AND \1 <= \3", expression)
    return all(_term(term.strip(), item, names, values) for term in plain.split(" AND "))


def update(expression: str, item: dict[str, Any], names: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Apply SET with plain values, ADD of numbers and REMOVE to an item in wire form."""
    parts = _CLAUSE.split(expression)[1:]
    for verb, body in zip(parts[::2], parts[1::2], strict=True):
        for step in body.split(","):
            if verb == "SET":
                name, value = (side.strip() for side in step.split("="))
                item[names.get(name, name)] = values[value]
            elif verb == "ADD":
                name, value = step.split()
                name = names.get(name, name)
                old = int(item.get(name, {"N": "0"})["N"])
                item[name] = {"N": str(old + int(values[value]["N"]))}
            elif verb == "REMOVE":
                name = step.strip()
                item.pop(names.get(name, name), None)
            else:
                raise NotImplementedError(verb)


def _term(term: str, item: Mapping[str, Any], names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    if found := _FUNCTION.match(term):
        present = names.get(found[2], found[2]) in item
        return present if found[1] == "attribute_exists" else not present
    found = _COMPARISON.match(term)
    if found is None:
        raise NotImplementedError(f"condition {term!r}")
    name = names.get(found[1], found[1])
    if name not in item:
        return False
    left, right = from_value(item[name]), from_value(values[found[3]])
    answers: dict[str, bool] = {
        "=": left == right,
        "<>": left != right,
        "<": left < right,
        ">": left > right,
        "<=": left <= right,
        ">=": left >= right,
    }
    return answers[found[2]]
