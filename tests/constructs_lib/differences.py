"""Describe one stack by its differences from another."""

import json
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

Path = tuple[str | int, ...]


class Difference(NamedTuple):
    """A value that differs, or that only one of two stacks has.

    When two lists differ in length, an index counts in the list that has the value.
    """

    path: Path
    base: tuple[Any, ...]
    """The value in the base; empty when the base has none."""
    other: tuple[Any, ...]


def differences(base: Any, other: Any, path: Path = ()) -> Iterator[Difference]:
    """Return the differences that turn `base` into `other`, at most one for each path."""
    if isinstance(base, dict) and isinstance(other, dict):
        for key in sorted(base.keys() | other.keys()):
            if key in base and key in other:
                yield from differences(base[key], other[key], (*path, key))
            else:
                yield Difference((*path, key), _optional(base, key), _optional(other, key))
    elif isinstance(base, list) and isinstance(other, list):
        if len(base) == len(other):
            for index, pair in enumerate(zip(base, other, strict=True)):
                yield from differences(*pair, (*path, index))
        else:
            yield from _of_lists(base, other, path)
    elif _as_json(base) != _as_json(other):
        yield Difference(path, (base,), (other,))


def _of_lists(base: list[Any], other: list[Any], path: Path) -> Iterator[Difference]:
    removed, added = dict(enumerate(base)), dict(enumerate(other))
    matcher = SequenceMatcher(None, [_as_json(each) for each in base], [_as_json(each) for each in other], False)
    for start, start_in_other, size in matcher.get_matching_blocks():
        for offset in range(size):
            del removed[start + offset], added[start_in_other + offset]
    for index in sorted(removed.keys() | added.keys()):
        yield Difference((*path, index), _optional(removed, index), _optional(added, index))


def _optional(values: dict[Any, Any], key: str | int) -> tuple[Any, ...]:
    return (values[key],) if key in values else ()


def _as_json(value: Any) -> str:
    """Return a value as JSON, in which `1` and `true` differ."""
    return json.dumps(value, sort_keys=True)


def apply(base: Any, changes: Sequence[Difference]) -> Any:
    """Return the value that `differences` compared with `base`."""
    if changes and not changes[0].path:
        return changes[0].other[0]
    here: dict[str | int, Difference] = {}
    deeper: dict[str | int, list[Difference]] = {}
    for each in changes:
        key, *rest = each.path
        if rest:
            deeper.setdefault(key, []).append(each._replace(path=tuple(rest)))
        else:
            here[key] = each
    removed = {key for key, each in here.items() if each.base}
    added = {key: each.other[0] for key, each in here.items() if each.other}
    if isinstance(base, dict):
        return {key: apply(value, deeper.get(key, [])) for key, value in base.items() if key not in removed} | added
    if not isinstance(base, list):
        return base
    result = [apply(value, deeper.get(index, [])) for index, value in enumerate(base) if index not in removed]
    for index in sorted(added):
        result.insert(int(index), added[index])
    return result


def as_text(path: Path) -> str:
    """Return a path as text, e.g. `resource.aws_sqs_queue.Jobs.tags[0]`."""
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path).removeprefix(".")


def renamed(body: Any, name: str, other: str) -> Any:
    """Return a stack with one environment's name replaced by another's, in all keys and texts."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    if isinstance(body, dict):
        return {word.sub(other, key): renamed(value, name, other) for key, value in body.items()}
    if isinstance(body, list):
        return [renamed(each, name, other) for each in body]
    return word.sub(other, body) if isinstance(body, str) else body
