"""A mail: subject and body."""

from dataclasses import dataclass

__all__ = ["Mail"]


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A mail."""

    subject: str
    """Fewer than 100 characters of printable ASCII, as SNS requires."""
    body: str
