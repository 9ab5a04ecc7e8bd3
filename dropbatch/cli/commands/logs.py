"""``dropbatch logs``."""

import functools
import json
import sys
import time

import click

from dropbatch.cli import results, runs
from dropbatch.cli.completion import run_ids
from dropbatch.cli.context import Context
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import NotFoundError
from dropbatch.cli.live_log import LiveLog
from dropbatch.cli.offline import retry_while_offline

__all__ = ["command"]

_POLL_SECONDS = 1.0
_QUIET_POLLS = 3


@click.command("logs", epilog="\b\nExamples:\n  dropbatch logs r-1f0c\n  dropbatch logs r-1f0c -f")
@click.argument("run", shell_complete=run_ids)
@click.option(
    "-f", "--follow", is_flag=True, help="Follow the log until the run ends; Ctrl-C stops following, not the run."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with -f one per line.")
@click.pass_obj
def command(context: Context, run: str, follow: bool, as_json: bool) -> None:
    """Print the log of the program of RUN (an id, its beginning, or a file's name).

    Reads the published log once the run has ended, and CloudWatch Logs before that.
    """
    deployed, group = context.deployed, context.group
    found = runs.find(deployed, group, run)
    if not found.state.final:
        if follow:
            _follow(deployed, group, found, as_json=as_json)
        else:
            _print(LiveLog(deployed, found).lines(), found, as_json=as_json)
        return
    log = results.read_log(deployed, found.output_prefix) if found.output_prefix else None
    if log is None:
        raise NotFoundError(f"{found.run_id} is {found.state} and has no log: {found.reason or 'no reason given'}")
    if as_json:
        lines = log.decode("utf-8", "replace").splitlines()
        _print_one_by_one(lines, found, as_json=True) if follow else _print(lines, found, as_json=True)
        return
    sys.stdout.buffer.write(log)
    sys.stdout.flush()


def _print(lines: list[str], run: runs.Run, *, as_json: bool) -> None:
    if as_json:
        body = {"run_id": run.run_id, "state": run.state, "lines": lines}
        click.echo(json.dumps(body, ensure_ascii=False, indent=2))
        return
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo(f"{run.run_id} is {run.state}; its program has printed nothing yet", err=True)


def _print_one_by_one(lines: list[str], run: runs.Run, *, as_json: bool) -> None:
    for line in lines:
        click.echo(json.dumps({"run_id": run.run_id, "line": line}, ensure_ascii=False) if as_json else line)


def _follow(deployed: Deployed, group: str, run: runs.Run, *, as_json: bool) -> None:
    live = LiveLog(deployed, run)
    quiet = 0
    while True:
        lines = retry_while_offline(live.lines, _report)
        _print_one_by_one(lines, run, as_json=as_json)
        # The last lines reach CloudWatch Logs with a short delay.
        quiet = 0 if lines else quiet + 1
        if run.state.final and quiet >= _QUIET_POLLS:
            click.echo(f"{run.run_id} {run.state}{': ' + run.reason if run.reason else ''}", err=True)
            return
        time.sleep(_POLL_SECONDS)
        if not run.state.final:
            run = retry_while_offline(functools.partial(runs.find, deployed, group, run.run_id), _report)
            live.run = run


def _report(text: str) -> None:
    click.echo(text, err=True)
