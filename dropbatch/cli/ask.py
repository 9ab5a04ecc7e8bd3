"""Asking before something costs or destroys."""

import sys

import click

from dropbatch.cli.errors import CliError, UsageFault

__all__ = ["agreed", "somebody_is_there"]


def agreed(what: str, *, yes: bool, dry_run: bool = True) -> None:
    """Go on only if the person says so; `what` is such as ``Cancel 3 runs``.

    `dry_run`: the command has an option to look first.

    Raises:
        UsageFault: there is nobody to ask.
        CliError: the answer was no.
    """
    if yes:
        return
    if not somebody_is_there():
        look_first = ", or look first with --dry-run" if dry_run else ""
        raise UsageFault(f"{what}? there is nobody to ask here: say --yes{look_first}")
    if not click.confirm(f"{what}?", err=True):
        raise CliError("nothing was done")


def somebody_is_there() -> bool:
    """Whether a person can answer."""
    return sys.stdin.isatty()
