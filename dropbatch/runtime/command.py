"""The program's command: placeholders filled in, nothing else touched."""

import re
from collections.abc import Mapping, Sequence

from dropbatch.runtime.errors import RefusedError

__all__ = ["fill"]

_PLACEHOLDER = re.compile(r"\{(input|output|scratch|input_uri|output_uri|param\.([A-Za-z0-9_.-]+))\}")


def fill(command: Sequence[str], values: Mapping[str, str], parameters: Mapping[str, str]) -> list[str]:
    """The command with ``{input}``, ``{output}``, ``{scratch}``, ``{…_uri}`` and ``{param.NAME}`` replaced.

    Other braces stay as they are: ``awk '{print $1}'`` is a command too. Values are put in as they are; there is no
    shell, so a quote or a ``;`` in a file name has no meaning.

    Raises:
        RefusedError: a parameter is asked for that the run does not have, or the place has no such value.
    """

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if match[2] is not None:
            if match[2] not in parameters:
                known = ", ".join(sorted(parameters)) or "none"
                raise RefusedError(f"the command asks for {match[0]}, the run's parameters are: {known}")
            return parameters[match[2]]
        if name not in values:
            raise RefusedError(f"the command asks for {match[0]}, which exists only for a run in the cloud")
        return values[name]

    return [_PLACEHOLDER.sub(replace, argument) for argument in command]
