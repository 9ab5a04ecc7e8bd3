"""Patterns over keys as requests have them: ``*`` and ``?`` within a folder, ``**`` across folders, ``[abc]``. Pure.

Only foretells, for a dry run, what the arrival function will find; a test holds the two together.
"""

import fnmatch
import re
from collections.abc import Callable

__all__ = ["is_glob", "literal_prefix", "matcher"]

_SPECIAL = re.compile(r"[*?[]")


def is_glob(text: str) -> bool:
    """Whether the text has a character with a meaning of its own."""
    return _SPECIAL.search(text) is not None


def literal_prefix(pattern: str) -> str:
    """What every matching key begins with."""
    found = _SPECIAL.search(pattern)
    return pattern[: found.start()] if found else pattern


def matcher(pattern: str) -> Callable[[str], bool]:
    """A test of keys."""
    parts = [None if part == "**" else re.compile(fnmatch.translate(part)).match for part in pattern.split("/")]

    def matches(key: str) -> bool:
        names = key.split("/")
        seen: dict[tuple[int, int], bool] = {}

        def fits(at: int, name: int) -> bool:
            if (at, name) not in seen:
                seen[at, name] = _fits(at, name)
            return seen[at, name]

        def _fits(at: int, name: int) -> bool:
            if at == len(parts):
                return name == len(names)
            test = parts[at]
            if test is not None:
                return name < len(names) and test(names[name]) is not None and fits(at + 1, name + 1)
            # A final `**` stands for something, any other for nothing too.
            nothing = at < len(parts) - 1 and fits(at + 1, name)
            return nothing or (name < len(names) and (fits(at, name + 1) or fits(at + 1, name + 1)))

        return fits(0, 0)

    return matches
