"""Ask for confirmation before a command costs money or deletes something."""

import sys

import click

from dropbatch.cli.errors import CliError, UsageFault

__all__ = ["confirm", "is_interactive"]


def confirm(what: str, *, yes: bool, dry_run: bool = True) -> None:
    """Return if the person agrees to `what`, a text such as ``Cancel 3 runs``.

    `dry_run`: whether the command has the option ``--dry-run``.

    Raises:
        UsageFault: the input is not a terminal.
        CliError: the person declined.
    """
    if yes:
        return
    if not is_interactive():
        look_first = ", or check first with --dry-run" if dry_run else ""
        raise UsageFault(f"{what}? cannot ask, because the input is not a terminal: add --yes{look_first}")
    if not click.confirm(f"{what}?", err=True):
        raise CliError("nothing was done")


def is_interactive() -> bool:
    """Return whether a person can answer."""
    return sys.stdin.isatty()
