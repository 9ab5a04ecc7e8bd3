"""Faults of a request, each with its place."""

from dataclasses import dataclass

__all__ = ["MAX_FAULTS", "Fault", "FaultsError", "shown"]

MAX_FAULTS = 100
"""Number of faults that are listed; of further ones only the number is given."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of a request."""

    place: str
    """For example ``inputs[2]`` or ``line 3, column 9``; empty for the whole file."""
    text: str
    """The rule, the value, and the fix."""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class FaultsError(ValueError):
    """The request is rejected.

    Attributes:
        faults: every fault that was found, at least one.
    """

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("; ".join(map(str, faults)))


def shown(value: object) -> str:
    """Return a value for a fault's text: quoted, at most 80 characters, unprintable ones replaced by ``?``."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(each if each.isprintable() else "?" for each in text[:81])
    return f"'{text}'" if len(text) <= 80 else f"'{text[:77]}…'"
