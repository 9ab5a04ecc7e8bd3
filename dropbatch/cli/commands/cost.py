"""``dropbatch cost``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import click

from dropbatch.cli.main import Context
from dropbatch.cli.usage import Line, months, used
from dropbatch.contract.usage import UNKNOWN, usd

__all__ = ["command"]

_BAR = 24


@click.command("cost", epilog="\b\nExample:\n  dropbatch cost --months 3")
@click.option(
    "--months", "count", type=click.IntRange(1, 24), default=1, show_default=True, help="With earlier months."
)
@click.option("--pipeline", metavar="NAME", help="Only this pipeline.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list on stdout.")
@click.pass_obj
def command(context: Context, count: int, pipeline: str | None, as_json: bool) -> None:
    """Show what the group's runs used and are estimated to have cost, by month and pipeline.

    Of machines only, from the prices in the environment file; what AWS charges is in its bill. Unknown is never 0.
    """
    wanted = months(datetime.now(UTC), count)
    found = [line for line in used(context.deployed, context.group, wanted) if pipeline in {None, line.pipeline}]
    if as_json:
        click.echo(json.dumps([_plain(line) for line in found], indent=2))
        return
    if not found:
        click.echo(f"nothing of {context.group} has ended since {wanted[-1]}", err=True)
        return
    most = max(line.usage.micro_usd for line in found) or 1
    click.echo(f"{'month':<8} {'pipeline':<16} {'attempts':>9} {'vCPU-h':>9} {'GiB-h':>9} {'USD':>12}")
    for line in found:
        bar = "█" * round(_BAR * line.usage.micro_usd / most)
        click.echo(
            f"{line.month:<8} {line.pipeline:<16} {line.usage.attempts:>9} {line.usage.vcpu_ms / 3.6e6:>9.1f} "
            f"{line.usage.mib_ms / 1024 / 3.6e6:>9.1f} {_cost(line):>12} {bar}".rstrip()
        )
    _say_what_is_unknown(found)


def _cost(line: Line) -> str:
    if line.usage.unknown_cost == line.usage.attempts:
        return UNKNOWN
    return ("≥ " if line.usage.unknown_cost else "") + usd(line.usage.micro_usd)


def _say_what_is_unknown(found: Sequence[Line]) -> None:
    unknown = sum(line.usage.unknown_cost for line in found)
    if unknown:
        click.echo(
            f"the cost of {unknown} attempts is not known: set the prices of their pools in the environment file",
            err=True,
        )


def _plain(line: Line) -> dict[str, object]:
    known = line.usage.unknown_cost < line.usage.attempts
    return {
        "group": line.group,
        "pipeline": line.pipeline,
        "month": line.month,
        **asdict(line.usage),
        "micro_usd": line.usage.micro_usd if known else None,
    }
