"""``dropbatch show``."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from dropbatch.cli import refused, results, runs
from dropbatch.cli.completion import run_ids
from dropbatch.cli.context import Context
from dropbatch.cli.errors import NotFoundError
from dropbatch.cli.screen import on_terminal, show
from dropbatch.cli.text import age, duration, printable, size
from dropbatch.contract import keys
from dropbatch.contract.runs import State

__all__ = ["command"]

_OUTPUTS = 20


@click.command("show", epilog="\b\nExamples:\n  dropbatch show r-1f0c\n  dropbatch show r-1f0c --json")
@click.argument("run", shell_complete=run_ids)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object with everything; the default when stdout is not a terminal.",
)
@click.pass_obj
def command(context: Context, run: str, as_json: bool) -> None:
    """Show the details of RUN (an id, its beginning, or a file's name), from the ledger and the run's record."""
    found = runs.find(context.deployed, context.group, run)
    record: dict[str, Any] | None = None
    if found.output_prefix:
        try:
            record = results.read_record(context.deployed, found.output_prefix)
        except NotFoundError:
            record = None
    refusal: refused.Refusal | None = None
    if found.state is State.HELD:
        refusal = refused.held_by(found, refused.refusals_of(context.deployed, found.group))
    if as_json or not on_terminal():
        body = {"run": found.item, "record": record, "refused": refusal.to_dict() if refusal else None}
        click.echo(json.dumps(body, ensure_ascii=False, indent=2))
        return
    _print(found, record, refusal)


def _print(run: runs.Run, record: Mapping[str, Any] | None, refusal: refused.Refusal | None) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in (*_of_ledger(run, refusal), *_of_record(run, record)):
        table.add_row(name, Text(printable(text)))
    show(table)


def _of_ledger(run: runs.Run, refusal: refused.Refusal | None) -> Iterator[tuple[str, str]]:
    attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
    reason = refusal.words if refusal else run.reason
    yield "run", run.run_id
    yield "state", run.state + attempt + (f": {reason}" if reason else "")
    yield "file", run.input
    where = f" in pool {run.item['pool']}" if run.item.get("pool") else ""
    yield "pipeline", run.pipeline + where
    for name, value in sorted((run.item.get("parameters") or {}).items()):
        yield f"  {name}", value
    yield "dropped", f"{run.created_at}, {age(run.created_at)}"
    if run.started_at:
        yield "started", run.started_at
    if run.stopped_at:
        took = runs.took(run)
        yield "ended", run.stopped_at + (f", after {duration(took)}" if took is not None else "")


def _of_record(run: runs.Run, record: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if record is None:
        return
    if record["exit_code"] is not None:
        yield "exit code", f"{record['exit_code']}" + (f" in {record['phase']}" if record["phase"] else "")
    if record["peak_memory_mib"] is not None:
        yield "memory", f"{record['peak_memory_mib']:.0f} MiB at most"
    if record["image"]:
        yield "image", record["image"]
    for warning in record["warnings"]:
        yield "warning", warning
    for output in record["outputs"][:_OUTPUTS]:
        yield "result", f"{keys.split_uri(output['uri'])[1].removeprefix(run.output_prefix)}  {size(output['size'])}"
    if len(record["outputs"]) > _OUTPUTS:
        yield "", f"… and {len(record['outputs']) - _OUTPUTS:,} more"
    if record["outputs"]:
        yield "", f"to download them: dropbatch fetch {run.run_id} DIR"
