"""``dropbatch show``."""

import json
from typing import Any

import click

from dropbatch.cli import results, runs
from dropbatch.cli.completion import run_ids
from dropbatch.cli.context import Context
from dropbatch.cli.errors import NotFoundError

__all__ = ["command"]


@click.command("show", epilog="\b\nExample:\n  dropbatch show r-1f0c")
@click.argument("run", shell_complete=run_ids)
@click.pass_obj
def command(context: Context, run: str) -> None:
    """Print everything known about RUN (an id, its beginning, or a file's name) as JSON: ledger item and record."""
    found = runs.find(context.deployed, context.group, run)
    record: dict[str, Any] | None = None
    if found.output_prefix:
        try:
            record = results.read_record(context.deployed, found.output_prefix)
        except NotFoundError:
            record = None
    click.echo(json.dumps({"run": found.item, "record": record}, ensure_ascii=False, indent=2))
