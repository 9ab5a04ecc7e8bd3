"""Patterns over keys, in requests: ``*`` and ``?`` within a folder, ``**`` across folders, ``[abc]``. Pure."""

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache

__all__ = ["MAX_STARS", "is_glob", "literal_prefix", "matcher"]

MAX_STARS = 20
"""Stars that one pattern may have: each costs time at every key."""

_SPECIAL = re.compile(r"[*?[]")


def is_glob(text: str) -> bool:
    """Whether the text has a character with a meaning of its own."""
    return _SPECIAL.search(text) is not None


def literal_prefix(pattern: str) -> str:
    """What every matching key begins with."""
    found = _SPECIAL.search(pattern)
    return pattern[: found.start()] if found else pattern


def matcher(pattern: str) -> Callable[[str], bool]:
    """A test of keys, in time proportional to pattern times key: no pattern can hold the function up."""
    parts = pattern.split("/")
    tests = [None if part == "**" else _part(part) for part in parts]

    def matches(key: str) -> bool:
        names = key.split("/")
        # Positions in the pattern at which a matching of the names so far may stand.
        standing = _skipping({0}, tests)
        for number, name in enumerate(names):
            last = number == len(names) - 1
            after: set[int] = set()
            for at in standing:
                if at == len(tests):
                    continue
                test = tests[at]
                if test is None:
                    after.add(at)
                    if last:
                        after.add(at + 1)
                elif test(name):
                    after.add(at + 1)
            standing = _skipping(after, tests)
            if not standing:
                return False
        return len(tests) in standing

    return matches


def _skipping(standing: set[int], tests: list[Callable[[str], bool] | None]) -> set[int]:
    """With the positions reached when ``**`` stands for nothing: but a final one stands for something."""
    found = set(standing)
    for at in sorted(standing):
        here = at
        while here < len(tests) - 1 and tests[here] is None:
            here += 1
            found.add(here)
    return found


@lru_cache(maxsize=256)
def _part(part: str) -> Callable[[str], bool]:
    # fnmatch makes stars atomic groups, so that matching does not go back.
    match = re.compile(fnmatch.translate(part)).match
    return lambda name: match(name) is not None
