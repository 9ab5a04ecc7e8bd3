"""Suggestions for names that are not known: the one place that says "did you mean"."""

from collections.abc import Iterable

__all__ = ["did_you_mean", "known_names", "nearest"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like `name`, or None when none is like it."""
    import difflib  # noqa: PLC0415 - few names are wrong: it is no part of every cold start

    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? ``, or an empty text when no known name is like it."""
    near = nearest(name, known)
    return f"did you mean {near!r}? " if near else ""


def known_names(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? known are x, y``, to end the error about a name that is not known."""
    known = sorted(known)
    return f"{did_you_mean(name, known)}known are {', '.join(known) or 'none'}"
