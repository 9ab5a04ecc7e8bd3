"""What is wrong with a request, and where."""

from dataclasses import dataclass

__all__ = ["MAX_FAULTS", "Fault", "FaultsError", "shown"]

MAX_FAULTS = 100
"""Faults that are written out; of more only the number is told."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault: a rule, what was got, and how to mend it."""

    place: str
    """``inputs[2]``, ``line 3, column 9``; empty for the file as a whole."""
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class FaultsError(ValueError):
    """A request that cannot be followed.

    Attributes:
        faults: at least one.
    """

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("; ".join(map(str, faults)))


def shown(value: object) -> str:
    """A value in a fault's text: cut short, and without what no terminal shows."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(each if each.isprintable() else "?" for each in text[:81])
    return f"'{text}'" if len(text) <= 80 else f"'{text[:77]}…'"
