"""Match object keys with patterns: ``*``, ``?`` and ``[abc]`` within a folder, ``**`` across folders. Pure."""

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache

__all__ = ["MAX_STARS", "is_glob", "literal_prefix", "matcher"]

MAX_STARS = 20
"""Maximum number of stars in a pattern; each adds to the time for every key."""

_SPECIAL = re.compile(r"[*?[]")


def is_glob(text: str) -> bool:
    """Return whether the text is a pattern, not a plain key."""
    return _SPECIAL.search(text) is not None


def literal_prefix(pattern: str) -> str:
    """Return the part of a pattern before its first special character; every matching key begins with it."""
    match = _SPECIAL.search(pattern)
    return pattern[: match.start()] if match else pattern


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that tests keys. Its time is proportional to the lengths of pattern and key."""
    parts = pattern.split("/")
    tests = [None if part == "**" else _part(part) for part in parts]

    def matches(key: str) -> bool:
        names = key.split("/")
        # Positions in the pattern that can follow the names matched so far.
        positions = _skip_empty({0}, tests)
        for number, name in enumerate(names):
            last = number == len(names) - 1
            following: set[int] = set()
            for position in positions:
                if position == len(tests):
                    continue
                test = tests[position]
                if test is None:
                    following.add(position)
                    if last:
                        following.add(position + 1)
                elif test(name):
                    following.add(position + 1)
            positions = _skip_empty(following, tests)
            if not positions:
                return False
        return len(tests) in positions

    return matches


def _skip_empty(positions: set[int], tests: list[Callable[[str], bool] | None]) -> set[int]:
    """Add the positions after each ``**``, which may match no folder. A ``**`` at the end matches at least one name."""
    reachable = set(positions)
    for start in sorted(positions):
        position = start
        while position < len(tests) - 1 and tests[position] is None:
            position += 1
            reachable.add(position)
    return reachable


@lru_cache(maxsize=256)
def _part(part: str) -> Callable[[str], bool]:
    # fnmatch translates stars to atomic groups, so the match does not backtrack.
    match = re.compile(fnmatch.translate(part)).match
    return lambda name: match(name) is not None
