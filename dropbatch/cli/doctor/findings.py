"""What a check finds: fine, a problem with its fix, or that it could not be looked at, which is never fine."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from dropbatch.cli.doctor.subject import Subject
from dropbatch.cli.errors import CliError, CredentialsError, in_words

__all__ = ["Check", "Finding", "Outcome", "examine", "ok", "problem", "unknown"]


class Outcome(StrEnum):
    """How a check ended."""

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
    """What to do about a problem."""

    def to_dict(self) -> dict[str, str | None]:
        """Plain values, for programs."""
        return {"check": self.check, "outcome": self.outcome, "text": self.text, "fix": self.fix or None}


@dataclass(frozen=True, kw_only=True)
class Check:
    """A thing that is looked at."""

    name: str
    look: Callable[[Subject], Iterable[Finding]]


def ok(text: str) -> Finding:
    """It is as it should be."""
    return Finding(outcome=Outcome.OK, text=text)


def problem(text: str, fix: str) -> Finding:
    """It is not."""
    return Finding(outcome=Outcome.PROBLEM, text=text, fix=fix)


def unknown(text: str) -> Finding:
    """It could not be looked at, and why."""
    return Finding(outcome=Outcome.UNKNOWN, text=text)


def examine(checks: Iterable[Check], subject: Subject) -> Iterator[Finding]:
    """Findings of all checks, one after the other; one that fails to look does not keep the others from it."""
    for check in checks:
        try:
            found = list(check.look(subject))
        except Exception as error:
            words = in_words(error)
            if words is None:
                raise
            found = [unknown(_why(words, subject))]
        for each in found:
            yield Finding(check=check.name, outcome=each.outcome, text=each.text, fix=each.fix)


def _why(error: CliError, subject: Subject) -> str:
    if subject.sandbox and "not supported in the sandbox" in error.message:
        return "the sandbox has no such service"
    if isinstance(error, CredentialsError):
        return "needs credentials"
    return error.message.strip().rstrip(":")
