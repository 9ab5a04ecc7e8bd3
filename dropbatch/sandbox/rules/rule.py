"""The rule type, and constructors for common limits."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["NOTHING", "Known", "Params", "Rule", "Violation", "between", "longest", "matching", "text_bytes", "values"]

Params = Mapping[str, Any]
"""Parameters of a request, in the form that boto3's clients take."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """Known resources that a request names; a rule is skipped if its resource is missing."""

    queue: Mapping[str, Any] | None = None
    """Job queue of a SubmitJob, as DescribeJobQueues shows it."""
    definition: Mapping[str, Any] | None = None
    """Job definition of a SubmitJob, as DescribeJobDefinitions shows it."""
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By DynamoDB table: the names of its key attributes."""


NOTHING = Known()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A constraint that a service enforces and its model lacks."""

    name: str
    operations: tuple[str, ...]
    check: Callable[[Params, Known], Iterator[str]]
    """Each thing that is wrong: which member, what it must be, what was got."""
    source: str
    code: str
    """The service's error code."""
    entry: bool = False
    """Whether the service fails only the entry of a batch (PutEvents), not the whole request."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A violated rule, with the error text."""

    rule: Rule
    request: str
    """``service.Operation``."""
    message: str

    def __str__(self) -> str:
        return f"{self.request}: {self.message} (rule {self.rule.name!r}: {self.rule.source})"


def values(params: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Return each value at `path` with its exact path; ``[]`` in `path` means every element of a list."""
    return _values(params, tuple(path.split(".")), "")


def _values(value: Any, steps: tuple[str, ...], place: str) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield place, value
        return
    name = steps[0].removesuffix("[]")
    if not isinstance(value, Mapping) or value.get(name) is None:
        return
    at, below = (f"{place}.{name}" if place else name), value[name]
    if not steps[0].endswith("[]"):
        yield from _values(below, steps[1:], at)
    elif isinstance(below, (list, tuple)):
        for index, each in enumerate(below):
            yield from _values(each, steps[1:], f"{at}[{index}]")


def text_bytes(text: Any) -> int:
    """Return the length in bytes of a string or bytes as sent."""
    return len(text) if isinstance(text, (bytes, bytearray)) else len(str(text).encode("utf-8", "surrogatepass"))


def between(
    name: str, operations: Sequence[str], path: str, low: float, high: float | None, *, source: str, code: str
) -> Rule:
    """Return a rule: a number must be between `low` and `high`."""
    must = f"at least {low:,}" if high is None else f"must be {low:,} to {high:,}"

    def check(params: Params, known: Known) -> Iterator[str]:
        for place, value in values(params, path):
            if isinstance(value, (int, float)) and not low <= value <= (value if high is None else high):
                yield f"{place}: {must}, got {value:,}"

    return Rule(name=name, operations=tuple(operations), check=check, source=source, code=code)


def longest(
    name: str, operations: Sequence[str], path: str, most: int, *, source: str, code: str, unit: str = "entries"
) -> Rule:
    """Return a rule: a list, map or string has at most `most` elements, characters or (unit ``bytes``) bytes."""

    def check(params: Params, known: Known) -> Iterator[str]:
        for place, value in values(params, path):
            length = text_bytes(value) if unit == "bytes" else len(value)
            if length > most:
                yield f"{place}: at most {most:,} {unit}, got {length:,}"

    return Rule(name=name, operations=tuple(operations), check=check, source=source, code=code)


def matching(
    name: str, operations: Sequence[str], path: str, pattern: str, must: str, *, source: str, code: str
) -> Rule:
    """Return a rule: a string must match all of `pattern`; `must` describes the pattern."""
    compiled = re.compile(pattern)

    def check(params: Params, known: Known) -> Iterator[str]:
        for place, value in values(params, path):
            if not isinstance(value, str) or not compiled.fullmatch(value):
                yield f"{place}: must be {must}, got {value!r}"

    return Rule(name=name, operations=tuple(operations), check=check, source=source, code=code)
