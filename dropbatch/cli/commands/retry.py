"""``dropbatch retry``."""

from typing import Any

import click

from dropbatch.cli.commands.about_runs import Chosen, ask_and_put, options, wait_option
from dropbatch.cli.context import Context

__all__ = ["command"]


@click.command("retry", epilog="\b\nExamples:\n  dropbatch retry --all --days 1\n  dropbatch retry r-1f0c --wait --yes")
@options
@wait_option
@click.pass_obj
def command(context: Context, /, **given: Any) -> None:
    """Try runs again that failed or were cancelled, as further attempts of the same runs.

    The same input and parameters, with the program as it is deployed now. Prints the URI of the request.
    """
    ask_and_put(context, "retry", Chosen(**given))
