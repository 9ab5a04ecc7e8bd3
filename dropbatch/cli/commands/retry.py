"""``dropbatch retry``."""

from typing import Any

import click

from dropbatch.cli.commands.about_runs import Chosen, ask_and_put, options
from dropbatch.cli.main import Context

__all__ = ["command"]


@click.command("retry", epilog="\b\nExample:\n  dropbatch retry --all --days 1")
@options
@click.pass_obj
def command(context: Context, /, **given: Any) -> None:
    """Try runs again that failed or were cancelled, as further attempts of the same runs.

    The same input and parameters, with the program as it is deployed now. Prints the URI of the request.
    """
    ask_and_put(context, "retry", Chosen(**given))
