"""Suggest known names for an unknown one ("did you mean …?")."""

from collections.abc import Iterable

__all__ = ["did_you_mean", "known_names", "nearest"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to `name`, or None when none is similar."""
    import difflib  # noqa: PLC0415 - seldom needed, so it must not slow down cold starts

    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? ``, or an empty text when no known name is similar."""
    near = nearest(name, known)
    return f"did you mean {near!r}? " if near else ""


def known_names(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? known are x, y``, the end of an error about an unknown name."""
    known = sorted(known)
    return f"{did_you_mean(name, known)}known are {', '.join(known) or 'none'}"
