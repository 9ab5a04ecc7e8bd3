"""Collect policy statements before they are attached to a role or policy."""

from typing import Protocol

from constructs_lib.policy import Statement, policy_json

__all__ = ["Grantee", "Rights"]


class Grantee(Protocol):
    """A grantee: a role, or a collection of statements."""

    def grant(self, *statements: Statement) -> None:
        """Add rights."""


class Rights:
    """A collection of statements for one policy."""

    def __init__(self) -> None:
        self._statements: list[Statement] = []

    def grant(self, *statements: Statement) -> None:
        """Add rights."""
        self._statements += [each for each in statements if each not in self._statements]

    @property
    def policy(self) -> str:
        """Text of the policy document."""
        return policy_json(self._statements)
