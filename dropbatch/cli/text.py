"""Format sizes, ages and durations for people, and report progress on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Reporter", "age", "counted", "duration", "printable", "reporting", "size"]

_KIB = 1024


def size(count: int) -> str:
    """Format bytes: ``0 B``, ``34 KiB``, ``1.2 GiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < _KIB:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= _KIB
    return f"{value:.1f} TiB"


def duration(seconds: float) -> str:
    """Format seconds: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def counted(count: int, what: str) -> str:
    """Format a count with its noun: ``1 run``, ``3 runs``, ``12,000 runs``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def age(timestamp: str, now: datetime | None = None) -> str:
    """Format the age of an ISO-8601 timestamp: ``3 h ago``; empty for an empty timestamp."""
    if not timestamp:
        return ""
    passed = (now or datetime.now(UTC)) - datetime.fromisoformat(timestamp)
    seconds = max(passed.total_seconds(), 0)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def printable(text: str) -> str:
    """Replace control characters: a file name must not control the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


class Reporter(Protocol):
    """Report progress on stderr, and print data on stdout without mixing the two on a terminal."""

    def say(self, text: str) -> None:
        """Print a line that stays, on stderr."""

    def now(self, text: str) -> None:
        """Replace the progress line, on stderr."""

    def data(self, text: str) -> None:
        """Print a line of data, on stdout."""


class _Plain:
    """Reporter for pipes and logs: every change of the progress line is a new line."""

    def __init__(self) -> None:
        self._last = ""

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def now(self, text: str) -> None:
        if text != self._last:
            self._last = text
            self.say(f"  {text} …")

    def data(self, text: str) -> None:
        click.echo(text)


class _Live:
    """Reporter for terminals: a progress line with a spinner."""

    def __init__(self, console: "Console") -> None:
        from rich.live import Live  # noqa: PLC0415 – takes 0.1 s, and `--help` does not need it
        from rich.spinner import Spinner  # noqa: PLC0415

        self._console = console
        self._spinner = Spinner("dots")
        # Do not redirect stdout: it may be a file or a pipe.
        self._live = Live(
            self._spinner, console=console, transient=True, redirect_stdout=False, refresh_per_second=12.5
        )

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def now(self, text: str) -> None:
        from rich.text import Text  # noqa: PLC0415

        self._spinner.update(text=Text(text))
        self._live.start()

    def data(self, text: str) -> None:
        if sys.stdout.isatty():
            self.stop()
        click.echo(text)

    def stop(self) -> None:
        self._live.stop()


@contextmanager
def reporting() -> Iterator[Reporter]:
    """Provide a reporter: with a progress line on a terminal, with plain lines otherwise."""
    if not sys.stderr.isatty():
        yield _Plain()
        return
    from rich.console import Console  # noqa: PLC0415

    live = _Live(Console(stderr=True))
    try:
        yield live
    finally:
        live.stop()
