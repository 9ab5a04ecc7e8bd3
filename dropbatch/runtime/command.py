"""The program's command: parameters and placeholders filled in, nothing else touched.

In two steps, because `s3://` URIs are looked for in between: `mark` fills the parameters in and hides the other
placeholders, `fill` puts the values in their place. What a value contains is never looked at again.
"""

import re
from collections.abc import Mapping, Sequence

from dropbatch.runtime.errors import RefusedError

__all__ = ["HIDDEN", "asks_for", "fill", "mark"]

HIDDEN = "\0"
"""Stands around a placeholder's name after `mark`; no argument of a program can hold it."""

_PLACEHOLDER = re.compile(r"\{(input|output|config|scratch|input_uri|output_uri|param\.([A-Za-z0-9_.-]+))\}")
_HIDDEN = re.compile(f"{HIDDEN}([a-z_]+){HIDDEN}")


def asks_for(command: Sequence[str], name: str) -> bool:
    """Whether a placeholder occurs."""
    return any(f"{{{name}}}" in word for word in command)


def mark(command: Sequence[str], parameters: Mapping[str, str]) -> list[str]:
    """The command with ``{param.NAME}`` replaced and the other placeholders hidden.

    Other braces stay as they are: ``awk '{print $1}'`` is a command too. There is no shell, so a quote or a ``;`` in a
    value has no meaning.

    Raises:
        RefusedError: a parameter is asked for that the run does not have, or its value cannot be an argument.
    """

    def replace(match: re.Match[str]) -> str:
        name = match[2]
        if name is None:
            return f"{HIDDEN}{match[1]}{HIDDEN}"
        if name not in parameters:
            known = ", ".join(sorted(parameters)) or "none"
            raise RefusedError(f"the command asks for {match[0]}, the run's parameters are: {known}")
        if HIDDEN in parameters[name]:
            raise RefusedError(f"the parameter {name} holds a NUL character, which no program can be given")
        return parameters[name]

    return [_PLACEHOLDER.sub(replace, argument) for argument in command]


def fill(marked: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The command with ``{input}``, ``{output}``, ``{config}``, ``{scratch}`` and ``{…_uri}`` replaced.

    Raises:
        RefusedError: the run has no such thing.
    """

    def replace(match: re.Match[str]) -> str:
        if match[1] not in values:
            hint = "name one in the request" if match[1] == "config" else "say what it should work on"
            raise RefusedError(f"the command asks for {{{match[1]}}}, which this run does not have: {hint}")
        return values[match[1]]

    return [_HIDDEN.sub(replace, argument) for argument in marked]
