"""``s3://`` URIs in a command: found here, and replaced by local paths once it is known what they are.

Looked for are whole arguments, values behind an equals sign (``--in=s3://…``) and lists of them (``s3://…,s3://…``).
A comma is part of a key unless ``s3://`` follows it. URIs within other text, such as a shell script, are left alone.
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
    """A URI and what the command says it is for."""

    uri: str
    flag: str
    """The option that it is a value of, or an empty string."""

    def is_any_of(self, flags: Collection[str]) -> bool:
        """Whether it belongs to one of these options."""
        return self.flag in flags


def find(words: Sequence[str]) -> list[Mention]:
    """All URIs of a command, in order, without repetitions."""
    found = (Mention(value, part.flag) for part in _parts(words) for value in part.values if _is_uri(value))
    return list(dict.fromkeys(found))


def replace(words: Sequence[str], paths: Mapping[Mention, str]) -> list[str]:
    """The command with every URI replaced by the path of its mention."""
    return [
        part.lead + ",".join(paths.get(Mention(value, part.flag), value) for value in part.values)
        for part in _parts(words)
    ]


@dataclass(frozen=True)
class _Part:
    """One argument taken apart: ``lead`` and the values, joined by commas, are the argument."""

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
