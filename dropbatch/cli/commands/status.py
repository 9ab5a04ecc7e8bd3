"""``dropbatch status``."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dropbatch.cli import runs
from dropbatch.cli.main import Context
from dropbatch.cli.text import age, duration, printable
from dropbatch.contract.runs import State

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["command"]

_COLOURS = {
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.REJECTED: "red",
    State.CANCELLED: "yellow",
    State.RUNNING: "cyan",
}

_SHORT_ID = 12
"""Enough of a run id for a person; every command takes it."""

_PIPED_COLUMNS = 4000
"""Wide enough that a program reading the table gets every row on one line."""


@click.command("status", epilog="\b\nExample:\n  dropbatch status --days 1")
@click.option("--pipeline", metavar="NAME", help="Only runs of this pipeline.")
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="Look back so far.")
@click.option("--limit", type=click.IntRange(0, 10_000), default=20, show_default=True, help="Show so many runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_obj
def command(context: Context, pipeline: str | None, days: int, limit: int, as_json: bool) -> None:
    """Show recent runs, newest first, and how many are in which state."""
    found = runs.recent(context.deployed, context.group, days=days, limit=limit, pipeline=pipeline)
    if as_json:
        body = {
            "counts": {state: found.counts.get(state, 0) for state in State},
            "runs": [_plain(run) for run in found.runs],
        }
        click.echo(json.dumps(body, ensure_ascii=False, indent=2))
        return
    total = sum(found.counts.values())
    where = f"{context.deployed.environment}/{context.group}"
    counts = ", ".join(f"{found.counts[state]} {state}" for state in State if found.counts.get(state))
    span = "day" if days == 1 else f"{days} days"
    click.echo(
        f"{where}: {total} run{'' if total == 1 else 's'} in the last {span}{': ' + counts if counts else ''}", err=True
    )
    if not total:
        click.echo("drop a file with `dropbatch drop FILE --wait`", err=True)
    if found.runs:
        _print(found.runs)


def _print(listed: Sequence[runs.Run]) -> None:
    """For a terminal, what fits, and the reasons below; for a program, a row per run with everything in it."""
    from rich.console import Console  # noqa: PLC0415 – not needed for --json

    console = Console()
    if console.is_terminal:
        console.print(_table(listed, id_length=_SHORT_ID))
        for run in listed:
            if run.reason:
                console.print(f"{run.run_id[:_SHORT_ID]}: {printable(run.reason)}", markup=False, highlight=False)
        return
    wide = Console(width=_PIPED_COLUMNS)
    with wide.capture() as captured:
        wide.print(_table(listed, reasons=True))
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _plain(run: runs.Run) -> dict[str, object]:
    names = ("run_id", "state", "pipeline", "input", "output_prefix", "attempt", "reason")
    times = ("created_at", "started_at", "stopped_at")
    return {name: getattr(run, name) for name in names + times}


def _table(listed: Sequence[runs.Run], *, id_length: int | None = None, reasons: bool = False) -> "Table":
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "state", "pipeline"):
        table.add_column(name, no_wrap=True)
    table.add_column("file")  # the one that gives way where it is narrow
    for name in ("dropped", "took"):
        table.add_column(name, no_wrap=True)
    if reasons:
        table.add_column("reason", no_wrap=True)
    for run in listed:
        table.add_row(
            run.run_id[:id_length],
            Text(run.state, style=_COLOURS.get(run.state, "")),
            run.pipeline,
            Text(printable(run.name), no_wrap=True, overflow="ellipsis"),
            age(run.created_at),
            _took(run),
            *([Text(printable(run.reason))] if reasons else []),
        )
    return table


def _took(run: runs.Run) -> str:
    seconds = runs.took(run)
    return "" if seconds is None else duration(seconds)
