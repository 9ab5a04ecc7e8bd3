"""Findings of a check: ok, a problem with its fix, or unknown when the check could not be done."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from dropbatch.cli.doctor.subject import Subject
from dropbatch.cli.errors import CliError, CredentialsError, in_words

__all__ = ["Check", "Finding", "Outcome", "examine", "ok", "problem", "unknown"]


class Outcome(StrEnum):
    """Kind of a finding."""

    OK = "ok"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report."""

    check: str = ""
    outcome: Outcome
    text: str
    fix: str = ""
    """How to fix a problem; empty otherwise."""

    def to_dict(self) -> dict[str, str | None]:
        """Return plain values for JSON."""
        return {"check": self.check, "outcome": self.outcome, "text": self.text, "fix": self.fix or None}


@dataclass(frozen=True, kw_only=True)
class Check:
    """A named check; `look` yields its findings."""

    name: str
    look: Callable[[Subject], Iterable[Finding]]


def ok(text: str) -> Finding:
    """Return a finding that something is in order."""
    return Finding(outcome=Outcome.OK, text=text)


def problem(text: str, fix: str) -> Finding:
    """Return a finding of a problem, with its fix."""
    return Finding(outcome=Outcome.PROBLEM, text=text, fix=fix)


def unknown(text: str) -> Finding:
    """Return a finding that something could not be checked, with the reason."""
    return Finding(outcome=Outcome.UNKNOWN, text=text)


def examine(checks: Iterable[Check], subject: Subject) -> Iterator[Finding]:
    """Yield the findings of all checks. A check that fails yields `unknown`, and the others go on."""
    for check in checks:
        try:
            findings = list(check.look(subject))
        except Exception as error:
            words = in_words(error)
            if words is None:
                raise
            findings = [unknown(_why(words, subject))]
        for each in findings:
            yield Finding(check=check.name, outcome=each.outcome, text=each.text, fix=each.fix)


def _why(error: CliError, subject: Subject) -> str:
    if subject.sandbox and "not supported in the sandbox" in error.message:
        return "the sandbox has no such service"
    if isinstance(error, CredentialsError):
        return "needs credentials"
    return error.message.strip().rstrip(":")
