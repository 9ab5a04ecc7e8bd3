"""What `retry`, `rerun` and `cancel` have in common: choose runs, say what will be done, ask, put the request."""

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
    """What the options say."""

    run: tuple[str, ...]
    every: bool
    pipeline: str | None
    days: int
    dry_run: bool
    yes: bool
    as_json: bool
    wait: bool = False


wait_option = click.option(
    "--wait", is_flag=True, help="Follow the runs to their end; Ctrl-C stops following, not the runs."
)


def options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that all three take."""
    for add in reversed(
        (
            click.argument("run", nargs=-1, shell_complete=run_ids),
            click.option("--all", "every", is_flag=True, help="All runs to which it applies, instead of named ones."),
            click.option(
                "--pipeline", metavar="NAME", shell_complete=pipelines, help="With --all: only runs of this pipeline."
            ),
            click.option(
                "--days",
                type=click.IntRange(1, 366),
                default=7,
                show_default=True,
                help="With --all: look back so far.",
            ),
            click.option("--dry-run", is_flag=True, help="Only say what would be done."),
            click.option("--yes", is_flag=True, help="Do not ask."),
            click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
        )
    ):
        command = add(command)
    return command


def ask_and_put(context: Context, kind: str, chosen: Chosen) -> None:
    """Do it.

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
        click.echo(f"asked to {what}; `dropbatch status` shows what becomes of it", err=True)
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
    with reporting() as voice:
        if kind == "rerun":
            anew = waiting.rerun_ids(found, sent)
            names = {anew[run.run_id]: waiting.name_of(run) for run in found}
            return waiting.wait_for(deployed, group, names, voice, sent=sent)
        names = {run.run_id: waiting.name_of(run) for run in found}
        attempts = {run.run_id: run.attempt + 1 for run in found}
        return waiting.wait_for(deployed, group, names, voice, attempts=attempts, sent=sent)


def _listed(found: Sequence[runs.Run]) -> str:
    names = ", ".join(run.run_id[:12] for run in found[:_NAMED])
    return names + (", …" if len(found) > _NAMED else "")
