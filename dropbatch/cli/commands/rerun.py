"""``dropbatch rerun``."""

from typing import Any

import click

from dropbatch.cli.commands.run_requests import Chosen, ask_and_put, options, wait_option
from dropbatch.cli.context import Context

__all__ = ["command"]


@click.command("rerun", epilog="\b\nExamples:\n  dropbatch rerun r-1f0c\n  dropbatch rerun r-1f0c --wait --yes")
@options
@wait_option
@click.pass_obj
def command(context: Context, /, **given: Any) -> None:
    """Process the inputs of runs again, as new runs.

    Uses the program that is deployed now; the old results are kept. Prints the URI of the request.
    """
    ask_and_put(context, "rerun", Chosen(**given))
