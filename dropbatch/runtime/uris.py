"""Find ``s3://`` URIs in a command, and replace them by local paths.

A URI may be an argument, a value after an equals sign (``--in=s3://…``), or part of a list (``s3://…,s3://…``). A comma
is part of a key unless ``s3://`` follows it. URIs within other text, for example in a shell script, are not changed.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dropbatch.runtime.command import HIDDEN

__all__ = ["Mention", "find", "replace"]

_OPTION = re.compile(r"([\w.-]+)=(?=s3://|[^\0]*,s3://)")
_NEXT = re.compile(r",(?=s3://)")


@dataclass(frozen=True)
class Mention:
    """A URI in a command, and the option that it belongs to."""

    uri: str
    flag: str
    """The option whose value it is; empty for none."""

    def is_any_of(self, flags: Collection[str]) -> bool:
        """Return whether it is a value of one of these options."""
        return self.flag in flags


def find(words: Sequence[str]) -> list[Mention]:
    """Return the distinct URIs of a command, in order."""
    found = (Mention(value, part.flag) for part in _parts(words) for value in part.values if _is_uri(value))
    return list(dict.fromkeys(found))


def replace(words: Sequence[str], paths: Mapping[Mention, str]) -> list[str]:
    """Return the command with every URI replaced by its path."""
    return [
        part.lead + ",".join(paths.get(Mention(value, part.flag), value) for value in part.values)
        for part in _parts(words)
    ]


@dataclass(frozen=True)
class _Part:
    """One argument, split: it consists of ``lead`` and the values, joined by commas."""

    lead: str
    flag: str
    values: Sequence[str]


def _parts(words: Sequence[str]) -> Iterator[_Part]:
    flag = ""
    for word in words:
        match = _OPTION.match(word)
        if match:
            yield _Part(match[0], match[1], _NEXT.split(word[match.end() :]))
            flag = ""
            continue
        if word.startswith("-"):
            flag = word
            yield _Part("", "", [word])
            continue
        values = _NEXT.split(word)
        yield _Part("", flag, values)
        if not any(map(_is_uri, values)):  # one option may take several URIs, each an argument
            flag = ""


def _is_uri(text: str) -> bool:
    bucket, slash, key = text.removeprefix("s3://").partition("/")
    return text.startswith("s3://") and bool(bucket and slash and key) and HIDDEN not in text
