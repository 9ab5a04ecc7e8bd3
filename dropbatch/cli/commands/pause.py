"""``dropbatch pause``."""

import click

from dropbatch.cli import brake
from dropbatch.cli.context import Context

__all__ = ["command"]


@click.command("pause", epilog='\b\nExample:\n  dropbatch pause --reason "price of spot machines"')
@click.option("--reason", default="by hand", show_default=True, help="Kept with the pause, for the others to read.")
@click.option("--stop", is_flag=True, help="End what runs too; it starts anew after the pause.")
@click.pass_obj
def command(context: Context, reason: str, stop: bool) -> None:
    """Start nothing from now on. What is dropped meanwhile waits, for as long as it takes; nothing is lost."""
    brake.pull(context.deployed, "stop" if stop else "pause", reason=reason)
    rest = "what ran was stopped and starts anew" if stop else "what runs is finished"
    click.echo(f"{context.deployed.environment} is paused: {rest}; dropbatch resume lets it go on", err=True)
