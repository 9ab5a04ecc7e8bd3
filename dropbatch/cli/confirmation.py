"""Ask before a command costs money or deletes something."""

import sys

import click

from dropbatch.cli.errors import CliError, UsageFault

__all__ = ["confirm", "is_interactive"]


def confirm(what: str, *, yes: bool, dry_run: bool = True) -> None:
    """Return if the person agrees; `what` is a text such as ``Cancel 3 runs``.

    `dry_run`: the command has an option to look first.

    Raises:
        UsageFault: the input is no terminal.
        CliError: the answer was no.
    """
    if yes:
        return
    if not is_interactive():
        look_first = ", or look first with --dry-run" if dry_run else ""
        raise UsageFault(f"{what}? there is nobody to ask here: say --yes{look_first}")
    if not click.confirm(f"{what}?", err=True):
        raise CliError("nothing was done")


def is_interactive() -> bool:
    """Return whether a person can answer."""
    return sys.stdin.isatty()
