"""``dropbatch status``."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

import click

from dropbatch.cli import refused, runs
from dropbatch.cli.completion import pipelines
from dropbatch.cli.context import Context
from dropbatch.cli.offline import retry_while_offline
from dropbatch.cli.pause_flag import Pause, read_pause
from dropbatch.cli.run_counts import RunCounts, count_runs
from dropbatch.cli.screen import on_terminal, show
from dropbatch.cli.text import age, duration, printable
from dropbatch.cli.thread_pool import thread_pool
from dropbatch.cli.times import parse_time
from dropbatch.cli.waiting import name_of
from dropbatch.contract import ledger
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

_POLL_SECONDS = 2.0

_NOT_LOST = "no run is lost: they start once operators have removed the cause, see `dropbatch doctor`"

_SHORT_ID = 12
"""Characters of a run id that a terminal shows; every command accepts the beginning of an id."""


@dataclass(frozen=True, kw_only=True)
class _Snapshot:
    """The state of the runs at one moment."""

    counted: RunCounts
    listed: Sequence[runs.Run]
    pause: Pause | None
    refused: Mapping[str, refused.Refusal]
    """Jobs that Batch refuses, by job name."""

    def reason(self, run: runs.Run) -> str:
        """Return why a run ended as it did, or why it waits; empty when no reason is known."""
        refusal = refused.held_by(run, self.refused)
        return refusal.words if refusal else run.reason

    def estimated_end(self, now: datetime) -> datetime | None:
        """Return when all runs will have ended; None during a pause or when it is not known."""
        return None if self.pause else self.counted.estimated_end(now)


@click.command(
    "status",
    epilog="\b\nExamples:\n  dropbatch status --since 2h\n  dropbatch status --watch --pipeline wordcount",
)
@click.option("--pipeline", metavar="NAME", shell_complete=pipelines, help="Only runs of this pipeline.")
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="Number of days to look back.")
@click.option(
    "--since", metavar="WHEN", help="Start time instead of --days: 30min, 2h, 3d, 2026-01-31 or 2026-01-31T12:00 (UTC)."
)
@click.option(
    "--limit", type=click.IntRange(0, 10_000), default=20, show_default=True, help="Maximum number of runs to list."
)
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --watch one per line.")
@click.pass_obj
def command(
    context: Context,
    *,
    pipeline: str | None,
    days: int,
    since: str | None,
    limit: int,
    watch: bool,
    as_json: bool,
) -> None:
    """Show recent runs, newest first, the number of runs per state, and the estimated time until all have ended.

    The estimate is based on the runs that ended in the last ten minutes.
    """
    if pipeline is not None:
        pipeline = context.deployed.description.pipeline(pipeline)
    now = datetime.now(UTC)
    start = parse_time(since, now) if since else (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0)
    span = f"since {since}" if since else f"in the last {'day' if days == 1 else f'{days} days'}"
    where = f"{context.deployed.environment}/{context.group}"

    def read() -> _Snapshot:
        deployed, group = context.deployed, context.group
        deployed.dynamodb  # noqa: B018 – created before the threads start
        with thread_pool(3) as pool:
            listed = pool.submit(runs.newest, deployed, group, since=start, limit=limit, pipeline=pipeline)
            pause = pool.submit(read_pause, deployed)
            waiting = pool.submit(refused.refusals_of, deployed, group)
            counted = count_runs(deployed, group, since=start, pipeline=pipeline)
            of_pipeline = {name: each for name, each in waiting.result().items() if pipeline in {None, each.pipeline}}
            return _Snapshot(counted=counted, listed=listed.result(), pause=pause.result(), refused=of_pipeline)

    if watch:
        _watch(read, f"{where}: ", span, as_json=as_json)
    seen = read()
    if as_json:
        click.echo(json.dumps(_body(seen), ensure_ascii=False, indent=2))
        return
    click.echo(f"{where}: {_summary(seen, span)}", err=True)
    if not seen.counted.total:
        click.echo("drop a file with `dropbatch drop FILE --wait`", err=True)
    if seen.listed:
        _print(seen)


def _watch(read: Callable[[], _Snapshot], where: str, span: str, *, as_json: bool) -> NoReturn:
    """Show a new snapshot every few seconds, until Ctrl-C."""
    from rich.console import Console, Group  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    last = ""
    live = Live(console=console, auto_refresh=False) if console.is_terminal and not as_json else None

    def report(text: str) -> None:
        if live is not None:
            live.update(Text(text), refresh=True)
        else:
            click.echo(text, err=True)

    with live or nullcontext():
        while True:
            begun = time.monotonic()
            seen = retry_while_offline(read, report)
            summary = where + _summary(seen, span)
            if as_json:
                click.echo(json.dumps(_body(seen), ensure_ascii=False))
            elif live is not None:
                room = max(console.height - 4, 1)
                live.update(Group(Text(summary), _table(seen.listed[:room], id_length=_SHORT_ID)), refresh=True)
            elif summary != last:
                click.echo(summary)
                last = summary
            # Poll less often when a query takes long.
            time.sleep(max(_POLL_SECONDS, 4 * (time.monotonic() - begun)))


def _summary(seen: _Snapshot, span: str) -> str:
    counted = seen.counted
    states = ", ".join(f"{counted.counts[state]} {state}" for state in State if counted.counts.get(state))
    text = f"{counted.total} run{'' if counted.total == 1 else 's'} {span}{': ' + states if states else ''}"
    now = datetime.now(UTC)
    end = seen.estimated_end(now)
    if end is not None:
        left = duration((end - now).total_seconds())
        text += f"; {counted.per_minute(now):.1f} end per minute, all in about {left} at this rate"
    if seen.refused:
        text += f"\nBatch refuses {refused.in_words(list(seen.refused.values()))}\n{_NOT_LOST}"
    return text + (f"\n{seen.pause.words}" if seen.pause else "")


def _body(seen: _Snapshot) -> dict[str, object]:
    now = datetime.now(UTC)
    end = seen.estimated_end(now)
    return {
        "counts": {state: seen.counted.counts.get(state, 0) for state in State},
        "ended_per_minute": round(seen.counted.per_minute(now), 3),
        "estimated_end": ledger.timestamp(end) if end else None,
        "paused": seen.pause.to_dict() if seen.pause else None,
        "refused": [refusal.to_dict() for refusal in seen.refused.values()],
        "runs": [_plain(run) | {"reason": seen.reason(run)} for run in seen.listed],
    }


def _print(seen: _Snapshot) -> None:
    """Print a table that fits a terminal with the reasons below it; for a program, complete rows."""
    if not on_terminal():
        show(_table(seen.listed, reason=seen.reason))
        return
    show(_table(seen.listed, id_length=_SHORT_ID))
    for run in seen.listed:
        if reason := seen.reason(run):
            click.echo(f"{run.run_id[:_SHORT_ID]}: {printable(reason)}")


def _plain(run: runs.Run) -> dict[str, object]:
    names = ("run_id", "state", "pipeline", "input", "output_prefix", "attempt", "reason")
    times = ("created_at", "started_at", "stopped_at")
    return {name: getattr(run, name) for name in names + times}


def _table(
    listed: Sequence[runs.Run], *, id_length: int | None = None, reason: Callable[[runs.Run], str] | None = None
) -> "Table":
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, least in (("run", _SHORT_ID), ("state", len(State.SUCCEEDED)), ("pipeline", None)):
        table.add_column(name, no_wrap=True, min_width=least)
    table.add_column("file")  # truncated on a narrow terminal
    for name in ("dropped", "took"):
        table.add_column(name, no_wrap=True)
    if reason:
        table.add_column("reason", no_wrap=True)
    for run in listed:
        table.add_row(
            run.run_id[:id_length],
            Text(run.state, style=_COLOURS.get(run.state, "")),
            run.pipeline,
            Text(name_of(run), no_wrap=True, overflow="ellipsis"),
            age(run.created_at),
            _took(run),
            *([Text(printable(reason(run)))] if reason else []),
        )
    return table


def _took(run: runs.Run) -> str:
    if run.state is State.RUNNING and run.started_at:  # so far
        passed = datetime.now(UTC) - datetime.fromisoformat(run.started_at)
        return f"{duration(max(passed.total_seconds(), 0))} …"
    seconds = runs.took(run)
    return "" if seconds is None else duration(seconds)
