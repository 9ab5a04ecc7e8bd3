"""``dropbatch cancel``."""

from typing import Any

import click

from dropbatch.cli.commands.run_requests import Chosen, ask_and_put, options
from dropbatch.cli.context import Context

__all__ = ["command"]


@click.command("cancel", epilog="\b\nExample:\n  dropbatch cancel r-1f0c")
@options
@click.pass_obj
def command(context: Context, /, **given: Any) -> None:
    """Cancel runs that have not ended: waiting runs never start, running ones are stopped.

    Their results are lost; `retry` starts them again. Prints the URI of the request.
    """
    ask_and_put(context, "cancel", Chosen(**given))
