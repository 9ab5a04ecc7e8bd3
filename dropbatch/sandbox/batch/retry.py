"""Decide whether Batch retries a failed job."""

from typing import Any

__all__ = ["matches", "retries"]


def retries(strategy: dict[str, Any], *, tries: int, exit_code: int | None, reason: str, status_reason: str) -> bool:
    """Return whether to retry a job that has failed `tries` times.

    The rules of ``evaluateOnExit`` are read in order and the first that matches decides; when none matches, the job
    is retried while tries are left. Source: AWS Batch user guide, "Automated job retries".
    """
    if tries >= int(strategy.get("attempts") or 1):
        return False
    facts = {
        "onExitCode": "" if exit_code is None else str(exit_code),
        "onReason": reason,
        "onStatusReason": status_reason,
    }
    for rule in strategy.get("evaluateOnExit") or []:
        conditions = [(fact, pattern) for key, fact in facts.items() if (pattern := rule.get(key)) is not None]
        if conditions and all(matches(pattern, fact) for fact, pattern in conditions):
            return str(rule["action"]).upper() == "RETRY"
    return True


def matches(pattern: str, text: str) -> bool:
    """Return whether the pattern matches; as on AWS, ``*`` is a wildcard only at the end."""
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
