"""Shared by `retry`, `rerun` and `cancel`: select runs, ask for confirmation, send the request."""

import functools
import json
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from dropbatch.cli import estimate, requests, runs, waiting
from dropbatch.cli.completion import pipelines, run_ids
from dropbatch.cli.confirmation import confirm
from dropbatch.cli.context import Context
from dropbatch.cli.selection import select
from dropbatch.cli.text import counted, reporting

__all__ = ["Chosen", "ask_and_put", "options", "wait_option"]

_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Values of the options."""

    run: tuple[str, ...]
    every: bool
    pipeline: str | None
    days: int
    dry_run: bool
    yes: bool
    as_json: bool
    wait: bool = False


wait_option = click.option(
    "--wait", is_flag=True, help="Follow the runs until they end; Ctrl-C stops following, not the runs."
)


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that all three commands take."""
    for add in reversed(
        (
            click.argument("run", nargs=-1, shell_complete=run_ids),
            click.option(
                "--all", "every", is_flag=True, help="All runs to which the command applies, instead of named runs."
            ),
            click.option(
                "--pipeline", metavar="NAME", shell_complete=pipelines, help="With --all: only runs of this pipeline."
            ),
            click.option(
                "--days",
                type=click.IntRange(1, 366),
                default=7,
                show_default=True,
                help="With --all: number of days to look back.",
            ),
            click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing."),
            click.option("--yes", is_flag=True, help="Do not ask for confirmation."),
            click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        )
    ):
        command = add(command)
    return command


def ask_and_put(context: Context, kind: str, chosen: Chosen) -> None:
    """Select the runs, ask for confirmation, send the request, and follow the runs if asked to.

    Raises:
        RunFailedError: with `wait`, when the request was refused or a run did not succeed.
    """
    deployed, group = context.deployed, context.group
    found = select(deployed, group, kind, chosen.run, every=chosen.every, pipeline=chosen.pipeline, days=chosen.days)
    what = f"{kind} {counted(len(found), 'run')} ({_listed(found)})"
    body: dict[str, Any] = {"runs": [run.run_id for run in found]}
    answer: dict[str, Any] = {"request": None, "kind": kind, **body}
    if kind != "cancel":
        bounds = (estimate.max_cost(deployed, run.pipeline, 1, run.item.get("overrides")) for run in found)
        what += f"; {functools.reduce(operator.add, bounds).words}"
    sent = None
    if chosen.dry_run:
        click.echo(f"Would {what}", err=True)
    else:
        confirm(what[0].upper() + what[1:], yes=chosen.yes)
        sent = requests.put(deployed, group, kind, body)
        answer["request"] = sent.uri
        click.echo(f"requested: {what}; `dropbatch status` shows the progress", err=True)
    if not chosen.as_json:
        for line in [run.run_id for run in found] if sent is None else [sent.uri]:
            click.echo(line)
    ended: dict[str, runs.Run] = {}
    if chosen.wait and sent is not None:
        ended = _follow(context, kind, found, sent)
        answer["ended"] = [run.outcome() for run in ended.values()]
    if chosen.as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    waiting.raise_if_failed(ended.values())


def _follow(context: Context, kind: str, found: Sequence[runs.Run], sent: requests.Sent) -> dict[str, runs.Run]:
    deployed, group = context.deployed, context.group
    with reporting() as reporter:
        if kind == "rerun":
            anew = waiting.rerun_ids(found, sent)
            names = {anew[run.run_id]: waiting.name_of(run) for run in found}
            return waiting.wait_for(deployed, group, names, reporter, sent=sent)
        names = {run.run_id: waiting.name_of(run) for run in found}
        attempts = {run.run_id: run.attempt + 1 for run in found}
        return waiting.wait_for(deployed, group, names, reporter, attempts=attempts, sent=sent)


def _listed(found: Sequence[runs.Run]) -> str:
    names = ", ".join(run.run_id[:12] for run in found[:_NAMED])
    return names + (", …" if len(found) > _NAMED else "")
