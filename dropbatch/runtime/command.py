"""Fill in the parameters and placeholders of the program's command.

There are two steps, because `s3://` URIs are searched in between: `mark` fills in the parameters and hides the other
placeholders, `fill` replaces the hidden placeholders by their values. Placeholders within values are not replaced.
"""

import re
from collections.abc import Mapping, Sequence

from dropbatch.runtime.errors import RefusedError

__all__ = ["HIDDEN", "asks_for", "fill", "mark"]

HIDDEN = "\0"
"""Encloses the name of a hidden placeholder. Arguments of programs cannot contain this character."""

_PLACEHOLDER = re.compile(r"\{(input|output|config|scratch|input_uri|output_uri|param\.([A-Za-z0-9_.-]+))\}")
_HIDDEN = re.compile(f"{HIDDEN}([a-z_]+){HIDDEN}")


def asks_for(command: Sequence[str], name: str) -> bool:
    """Return whether the command contains a placeholder."""
    return any(f"{{{name}}}" in word for word in command)


def mark(command: Sequence[str], parameters: Mapping[str, str]) -> list[str]:
    """Return the command with ``{param.NAME}`` replaced and the other placeholders hidden.

    Other braces are not changed, as in ``awk '{print $1}'``. No shell is involved, so quotes and ``;`` in a value have
    no special meaning.

    Raises:
        RefusedError: the run does not have a parameter, or its value cannot be an argument.
    """

    def replace(match: re.Match[str]) -> str:
        name = match[2]
        if name is None:
            return f"{HIDDEN}{match[1]}{HIDDEN}"
        if name not in parameters:
            known = ", ".join(sorted(parameters)) or "none"
            raise RefusedError(f"the command asks for {match[0]}, the run's parameters are: {known}")
        if HIDDEN in parameters[name]:
            raise RefusedError(f"the parameter {name} contains a NUL character: remove it")
        return parameters[name]

    return [_PLACEHOLDER.sub(replace, argument) for argument in command]


def fill(marked: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Return the command with ``{input}``, ``{output}``, ``{config}``, ``{scratch}`` and ``{…_uri}`` replaced.

    Raises:
        RefusedError: the run has no value for a placeholder.
    """

    def replace(match: re.Match[str]) -> str:
        if match[1] not in values:
            hint = "name one in the request" if match[1] == "config" else "say what it should work on"
            raise RefusedError(f"the command asks for {{{match[1]}}}, which this run does not have: {hint}")
        return values[match[1]]

    return [_HIDDEN.sub(replace, argument) for argument in marked]
