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
    help="What a row stands for. group: all groups that you may look at.",
)
@click.option(
    "--months", "count", type=click.IntRange(1, 24), default=1, show_default=True, help="With earlier months."
)
@click.option("--pipeline", metavar="NAME", shell_complete=pipelines, help="Only this pipeline.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list on stdout.")
@click.pass_obj
def command(context: Context, by: str, count: int, pipeline: str | None, as_json: bool) -> None:
    """Show what runs used and are estimated to have cost: by month and pipeline, by group, or by day of their drop.

    Of machines only, from the prices in the environment file; what AWS charges is in its bill. Unknown is never 0.
    """
    wanted = months(datetime.now(UTC), count)
    if pipeline is not None:
        pipeline = context.deployed.description.pipeline(pipeline)
    match by:
        case "group":
            found = summed(_of_groups(context, wanted, pipeline))
        case "day":
            found = by_day(context.deployed, context.group, wanted, pipeline=pipeline)
        case _:
            found = _of(context, context.group, wanted, pipeline)
    if as_json:
        click.echo(json.dumps([_plain(line) for line in found], indent=2))
        return
    if not found:
        click.echo(f"nothing has ended since {wanted[-1]}", err=True)
        return
    show(_table(found, by))
    _say_what_is_unknown(found)


def _of(context: Context, group: str, wanted: list[str], pipeline: str | None) -> list[Line]:
    return [line for line in used(context.deployed, group, wanted) if pipeline in {None, line.pipeline}]


def _of_groups(context: Context, wanted: list[str], pipeline: str | None) -> list[Line]:
    """Lines of the groups that the caller may look at."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 – slow

    found: list[Line] = []
    refused = []
    groups = sorted(context.deployed.description.groups)
    for group in groups:
        try:
            found += _of(context, group, wanted, pipeline)
        except ClientError as error:
            words = in_words(error)
            if not isinstance(words, AccessError) or len(groups) == 1:
                raise
            refused.append(group)
    if refused:
        click.echo(f"not yours to look at: {', '.join(refused)}", err=True)
    return found


def _table(found: Sequence[Line], by: str) -> "Table":
    from rich.bar import Bar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    most = max(line.usage.micro_usd for line in found) or 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("day" if by == "day" else "month", no_wrap=True)
    if by != "day":
        table.add_column(by, no_wrap=True)
    for name in ("attempts", "vCPU-h", "GiB-h", "USD"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", max_width=_BAR)  # the bars: the ones that give way where it is narrow
    for line in found:
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


def _say_what_is_unknown(found: Sequence[Line]) -> None:
    unknown = sum(line.usage.unknown_cost for line in found)
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
