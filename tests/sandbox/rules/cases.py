"""A request at the limit of a rule, and one beyond it."""

from typing import Any, NamedTuple

from dropbatch.sandbox.rules import NOTHING, Known, violations


class Case(NamedTuple):
    rule: str
    operation: str
    limit: dict[str, Any]
    """Just keeps the rule."""
    beyond: dict[str, Any]
    said: str
    """Part of the message."""
    known: Known = NOTHING


def broken(service: str, case: Case, params: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rules that a request breaks, by name, with their messages."""
    found = violations(service, case.operation, params, case.known)
    return [(violation.rule.name, violation.message) for violation in found]


def judge(service: str, case: Case) -> None:
    """Check that the request at the limit keeps the rule, and that the one beyond breaks it."""
    assert [message for name, message in broken(service, case, case.limit) if name == case.rule] == []
    messages = [message for name, message in broken(service, case, case.beyond) if name == case.rule]
    assert any(case.said in message for message in messages), messages
