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
@click.option("--reason", default="by hand", show_default=True, help="Reason that others see.")
@click.option("--stop", is_flag=True, help="Also stop running jobs; they start again after the pause.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(context: Context, *, reason: str, stop: bool, yes: bool, as_json: bool) -> None:
    """Stop starting runs, in all groups. Files dropped during the pause wait until `resume`; nothing is lost.

    For operators.
    """
    environment = context.deployed.environment
    running = "stop running jobs and start them again later" if stop else "let running jobs finish"
    confirm(f"Pause {environment} for all groups: start nothing, {running}", yes=yes, dry_run=False)
    answer = invoke.invoke_spend_guard(context.deployed, "stop" if stop else "pause", reason=reason)
    rest = "running jobs were stopped and start again later" if stop else "running jobs finish"
    click.echo(f"{environment} is paused: {rest}; `dropbatch resume` ends the pause", err=True)
    if as_json:
        click.echo(json.dumps({"environment": environment, "did": answer["did"], "reason": reason}, indent=2))
