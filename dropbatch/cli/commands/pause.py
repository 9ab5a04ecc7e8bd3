"""``dropbatch pause``."""

import json

import click

from dropbatch.cli import invoke
from dropbatch.cli.confirmation import confirm
from dropbatch.cli.context import Context

__all__ = ["command"]


@click.command(
    "pause",
    epilog='\b\nExamples:\n  dropbatch pause --reason "price of spot machines"\n  dropbatch pause --stop --yes',
)
@click.option("--reason", default="by hand", show_default=True, help="Kept with the pause, for the others to read.")
@click.option("--stop", is_flag=True, help="End what runs too; it starts anew after the pause.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_obj
def command(context: Context, *, reason: str, stop: bool, yes: bool, as_json: bool) -> None:
    """Start nothing from now on, in all groups. What is dropped meanwhile waits, however long; nothing is lost.

    For operators.
    """
    environment = context.deployed.environment
    running = "end what runs, to start it anew later" if stop else "let what runs finish"
    confirm(f"Pause {environment} for all groups: start nothing, {running}", yes=yes, dry_run=False)
    answer = invoke.invoke_spend_guard(context.deployed, "stop" if stop else "pause", reason=reason)
    rest = "what ran was stopped and starts anew" if stop else "what runs is finished"
    click.echo(f"{environment} is paused: {rest}; `dropbatch resume` lets it go on", err=True)
    if as_json:
        click.echo(json.dumps({"environment": environment, "did": answer["did"], "reason": reason}, indent=2))
