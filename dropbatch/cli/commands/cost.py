"""``dropbatch cost``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from dropbatch.cli.completion import pipelines
from dropbatch.cli.context import Context
from dropbatch.cli.errors import AccessError, in_words
from dropbatch.cli.screen import show
from dropbatch.cli.text import counted
from dropbatch.cli.usage import Line, by_day, months, summed, used
from dropbatch.contract.usage import UNKNOWN, usd

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["command"]

_BAR = 24


@click.command(
    "cost", epilog="\b\nExamples:\n  dropbatch cost --months 3\n  dropbatch cost --by day\n  dropbatch cost --by group"
)
@click.option(
    "--by",
    type=click.Choice(["pipeline", "group", "day"]),
    default="pipeline",
    show_default=True,
    help="One row per pipeline, group or day. group: all groups that you may read.",
)
@click.option(
    "--months",
    "count",
    type=click.IntRange(1, 24),
    default=1,
    show_default=True,
    help="Number of months, the current one included.",
)
@click.option("--pipeline", metavar="NAME", shell_complete=pipelines, help="Only this pipeline.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list on stdout.")
@click.pass_obj
def command(context: Context, by: str, count: int, pipeline: str | None, as_json: bool) -> None:
    """Show usage and estimated cost of runs: by month and pipeline, by month and group, or by day of the drop.

    The estimate covers machines only and uses the prices in the environment file; the AWS bill shows the charges.
    An unknown cost is shown as unknown, never as 0.
    """
    wanted = months(datetime.now(UTC), count)
    if pipeline is not None:
        pipeline = context.deployed.description.pipeline(pipeline)
    match by:
        case "group":
            lines = summed(_of_groups(context, wanted, pipeline))
        case "day":
            lines = by_day(context.deployed, context.group, wanted, pipeline=pipeline)
        case _:
            lines = _of(context, context.group, wanted, pipeline)
    if as_json:
        click.echo(json.dumps([_plain(line) for line in lines], indent=2))
        return
    if not lines:
        click.echo(f"no run has ended since {wanted[-1]}", err=True)
        return
    show(_table(lines, by))
    _report_unknown_cost(lines)


def _of(context: Context, group: str, wanted: list[str], pipeline: str | None) -> list[Line]:
    return [line for line in used(context.deployed, group, wanted) if pipeline in {None, line.pipeline}]


def _of_groups(context: Context, wanted: list[str], pipeline: str | None) -> list[Line]:
    """Return the lines of the groups that the caller may read."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 – slow

    lines: list[Line] = []
    refused = []
    groups = sorted(context.deployed.description.groups)
    for group in groups:
        try:
            lines += _of(context, group, wanted, pipeline)
        except ClientError as error:
            words = in_words(error)
            if not isinstance(words, AccessError) or len(groups) == 1:
                raise
            refused.append(group)
    if refused:
        click.echo(f"groups that you may not read: {', '.join(refused)}", err=True)
    return lines


def _table(lines: Sequence[Line], by: str) -> "Table":
    from rich.bar import Bar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    most = max(line.usage.micro_usd for line in lines) or 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("day" if by == "day" else "month", no_wrap=True)
    if by != "day":
        table.add_column(by, no_wrap=True)
    for name in ("attempts", "vCPU-h", "GiB-h", "USD"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", max_width=_BAR)  # the bars: narrowed first on a narrow terminal
    for line in lines:
        table.add_row(
            line.period,
            *([] if by == "day" else [line.group if by == "group" else line.pipeline]),
            f"{line.usage.attempts:,}",
            _hours(line.usage.vcpu_ms / 3.6e6),
            _hours(line.usage.mib_ms / 1024 / 3.6e6),
            _cost(line),
            Bar(most, 0, line.usage.micro_usd),
        )
    return table


def _hours(value: float) -> str:
    return f"{value:,.1f}" if value >= 10 else f"{value:.3f}"


def _cost(line: Line) -> str:
    if line.usage.attempts and line.usage.unknown_cost == line.usage.attempts:
        return UNKNOWN
    return ("≥ " if line.usage.unknown_cost else "") + usd(line.usage.micro_usd)


def _report_unknown_cost(lines: Sequence[Line]) -> None:
    unknown = sum(line.usage.unknown_cost for line in lines)
    if unknown:
        click.echo(
            f"the cost of {counted(unknown, 'attempt')} is not known: set the prices of their pools in the "
            "environment file",
            err=True,
        )


def _plain(line: Line) -> dict[str, object]:
    known = line.usage.unknown_cost < line.usage.attempts or not line.usage.attempts
    return {
        "group": line.group,
        "pipeline": line.pipeline or None,
        "period": line.period,
        **asdict(line.usage),
        "micro_usd": line.usage.micro_usd if known else None,
    }
