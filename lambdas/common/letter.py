"""A mail."""

from dataclasses import dataclass

__all__ = ["Letter"]


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail."""

    subject: str
    """As SNS takes it: fewer than 100 characters of printable ASCII."""
    body: str
