"""``dropbatch resume``."""

import click

from dropbatch.cli import brake
from dropbatch.cli.context import Context

__all__ = ["command"]


@click.command("resume", epilog="\b\nExample:\n  dropbatch resume")
@click.pass_obj
def command(context: Context) -> None:
    """Let everything go on after a pause, also one by the budget. What waits starts within minutes."""
    brake.pull(context.deployed, "resume")
    click.echo(f"{context.deployed.environment} goes on", err=True)
