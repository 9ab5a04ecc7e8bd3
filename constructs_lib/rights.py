"""Rights that are gathered before they are given to somebody."""

from typing import Protocol

from constructs_lib.policy import Statement, policy_json

__all__ = ["Grantee", "Rights"]


class Grantee(Protocol):
    """Whoever can be granted rights: a role, or rights that are being gathered."""

    def grant(self, *statements: Statement) -> None:
        """Add rights."""


class Rights:
    """A list of statements for a policy of its own."""

    def __init__(self) -> None:
        self._statements: list[Statement] = []

    def grant(self, *statements: Statement) -> None:
        """Add rights."""
        self._statements += [each for each in statements if each not in self._statements]

    @property
    def policy(self) -> str:
        """Text of the policy document."""
        return policy_json(self._statements)
