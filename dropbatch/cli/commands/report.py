"""``dropbatch report``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from dropbatch.cli import results, runs
from dropbatch.cli.completion import pipelines
from dropbatch.cli.context import Context
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import NotFoundError
from dropbatch.cli.report import fact_of, page, summarize
from dropbatch.cli.text import Reporter, counted, reporting
from dropbatch.cli.times import parse_time
from dropbatch.contract import ledger

__all__ = ["command"]

_AT_ONCE = 16


@click.command(
    "report",
    epilog="\b\nExamples:\n  dropbatch report\n  dropbatch report march.html --since 2026-03-01 --pipeline align",
)
@click.argument(
    "file", required=False, default=Path("dropbatch-report.html"), type=click.Path(path_type=Path, dir_okay=False)
)
@click.option("--pipeline", metavar="NAME", shell_complete=pipelines, help="Only runs of this pipeline.")
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="Number of days to look back.")
@click.option(
    "--since", metavar="WHEN", help="Start time instead of --days: 30min, 2h, 3d, 2026-01-31 or 2026-01-31T12:00 (UTC)."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=10_000,
    show_default=True,
    help="Maximum number of runs, newest first.",
)
@click.option("--no-records", is_flag=True, help="Do not read run records: faster, but memory stays unknown.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts about each run as JSON, instead of a page.")
@click.pass_obj
def command(
    context: Context,
    *,
    file: Path,
    pipeline: str | None,
    days: int,
    since: str | None,
    limit: int,
    no_records: bool,
    as_json: bool,
) -> None:
    """Write one HTML page about the group's runs to FILE: timeline, durations, memory, cost, failures by reason.

    The page is self-contained: it can be mailed and opened anywhere. Prints its path.
    """
    deployed, group = context.deployed, context.group
    if pipeline is not None:
        pipeline = deployed.description.pipeline(pipeline)
    now = datetime.now(UTC)
    start = parse_time(since, now) if since else (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0)
    with reporting() as reporter:
        reporter.now("reading the ledger")
        found = runs.newest(deployed, group, since=start, limit=limit, pipeline=pipeline)
        if not found:
            raise NotFoundError("no runs in this period: see `dropbatch status`, or look further back with --days")
        records = {} if no_records else dict(_records(deployed, found, reporter))
    facts = [fact_of(run, records.get(run.run_id)) for run in found]
    if as_json:
        click.echo(json.dumps([fact.to_dict() for fact in facts], ensure_ascii=False, indent=2))
        return
    about = {
        "environment": deployed.environment,
        "group": group,
        "since": f"since {since}" if since else f"in the last {counted(days, 'day')}",
        "made_at": ledger.timestamp(now),
    }
    file.write_text(page(summarize(facts), about=about), encoding="utf-8")
    click.echo(str(file))
    if len(found) == limit:
        click.echo(f"the page shows the newest {limit:,} runs: for more give --limit", err=True)


def _records(
    deployed: Deployed, found: Sequence[runs.Run], reporter: Reporter
) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Yield the record of each run that started, or None if it has none."""
    ended = [run for run in found if run.state.final and run.started_at]
    deployed.s3  # noqa: B018 – created before the threads start

    def read(run: runs.Run) -> tuple[str, Mapping[str, Any] | None]:
        try:
            return run.run_id, results.read_record(deployed, run.output_prefix)
        except NotFoundError:
            return run.run_id, None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, each in enumerate(pool.map(read, ended), 1):
            if number % 200 == 0:
                reporter.now(f"reading records: {number:,} of {len(ended):,}")
            yield each
