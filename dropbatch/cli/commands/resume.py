"""``dropbatch resume``."""

import json

import click

from dropbatch.cli import invoke
from dropbatch.cli.confirmation import confirm
from dropbatch.cli.context import Context

__all__ = ["command"]


@click.command("resume", epilog="\b\nExamples:\n  dropbatch resume\n  dropbatch resume --yes")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(context: Context, *, yes: bool, as_json: bool) -> None:
    """End a pause, also one by the budget. Waiting runs start within minutes.

    For operators.
    """
    environment = context.deployed.environment
    confirm(f"Resume {environment}: all waiting runs start, and cost money", yes=yes, dry_run=False)
    answer = invoke.invoke_spend_guard(context.deployed, "resume")
    click.echo(f"{environment} is resumed; waiting runs start within minutes", err=True)
    if as_json:
        click.echo(json.dumps({"environment": environment, "did": answer["did"]}, indent=2))
