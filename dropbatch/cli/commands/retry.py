"""``dropbatch retry``."""

import json
from typing import Any

import click

from dropbatch.cli import invoke
from dropbatch.cli.commands.run_requests import Chosen, ask_and_put, options, wait_option
from dropbatch.cli.confirmation import confirm
from dropbatch.cli.context import Context
from dropbatch.cli.errors import UsageFault
from dropbatch.cli.text import counted, printable

__all__ = ["command"]


@click.command(
    "retry",
    epilog="\b\nExamples:\n  dropbatch retry --all --days 1\n  dropbatch retry r-1f0c --wait --yes\n"
    "  dropbatch retry --dead-letters --dry-run",
)
@options
@wait_option
@click.option(
    "--dead-letters",
    is_flag=True,
    help="For operators: send dead letters back to their queue, instead of retrying runs.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="With --dead-letters: maximum number of messages.",
)
@click.pass_obj
def command(context: Context, /, *, dead_letters: bool, limit: int, **given: Any) -> None:
    """Retry failed or cancelled runs, each as a further attempt of the same run.

    Uses the same input and parameters, and the program that is deployed now. Prints the URI of the request.
    """
    chosen = Chosen(**given)
    if not dead_letters:
        ask_and_put(context, "retry", chosen)
        return
    if chosen.run or chosen.every or chosen.pipeline or chosen.wait:
        raise UsageFault("--dead-letters is about messages, not runs: leave out runs, --all, --pipeline and --wait")
    _redrive(context, chosen, limit)


def _redrive(context: Context, chosen: Chosen, limit: int) -> None:
    """List the dead letters with their reasons; send them back unless it is a dry run."""
    letters = invoke.invoke_arrival(context.deployed, "dead-letters", limit=limit)["letters"]
    answer: dict[str, Any] = {"letters": letters, "redriven": 0}
    if not chosen.as_json:
        for letter in letters:
            click.echo(f"{letter['message_id']}  {printable(letter['reason'])}")
    what = f"send {counted(len(letters), 'dead letter')} back to the queue"
    if not letters:
        click.echo("there are no dead letters", err=True)
    elif chosen.dry_run:
        click.echo(f"Would {what}", err=True)
    else:
        confirm(what[0].upper() + what[1:], yes=chosen.yes)
        answer["redriven"] = invoke.invoke_arrival(context.deployed, "redrive", limit=limit)["redriven"]
        click.echo(f"sent {counted(answer['redriven'], 'dead letter')} back to the queue", err=True)
    if chosen.as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
