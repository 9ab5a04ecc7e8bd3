"""``dropbatch doctor``."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dropbatch.cli.context import Context
from dropbatch.cli.doctor import Check, Finding, Outcome, Subject, account, before, examine, operation
from dropbatch.cli.environment import SANDBOX, choose, project_root
from dropbatch.cli.errors import CliError, UsageFault
from dropbatch.cli.screen import on_terminal, show
from dropbatch.cli.text import counted, printable

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["command"]

_STYLES = {Outcome.OK: "green", Outcome.PROBLEM: "bold red", Outcome.UNKNOWN: "yellow"}


@click.command(
    "doctor",
    epilog="\b\nExamples:\n  dropbatch --env dev doctor\n  dropbatch doctor --before-deploy environments/dev.toml",
)
@click.option(
    "--before-deploy",
    "path",
    metavar="ENVFILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Examine the account before this environment is deployed, instead of a deployed environment.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON list on stdout.")
@click.pass_obj
def command(context: Context, path: Path | None, as_json: bool) -> None:
    """Find problems of an environment, and print the fix of each. Changes nothing.

    Examines credentials, region, mail, cost tag, service-linked roles, vCPU quotas, images of jobs and of machines,
    pause, refused submissions, dead letters and the state's lock. A check that fails to run is reported as unknown,
    never as ok. Exit code 1 when there is a problem.
    """
    checks: tuple[Check, ...]
    if path is None:
        sandbox = context.deployed.environment == SANDBOX
        subject = operation.subject_of(context.deployed, sandbox=sandbox)
        checks = (*account.CHECKS, *operation.CHECKS)
    else:
        subject = _to_be_deployed(path)
        checks = (*before.FIRST, *account.CHECKS, *before.LAST)
    directory = os.environ.get("DROPBATCH_SANDBOX_DIR")
    subject = replace(subject, sandbox_directory=Path(directory) if directory and subject.sandbox else None)
    findings = list(examine(checks, subject))
    if as_json:
        click.echo(json.dumps([each.to_dict() for each in findings], ensure_ascii=False, indent=2))
    else:
        show(_table(findings))
    _summarize(findings)


def _to_be_deployed(path: Path) -> Subject:
    from dropbatch.settings import SettingsError, load  # noqa: PLC0415 – heavy

    try:
        settings = load(path)
    except SettingsError as error:
        raise UsageFault(str(error)) from error
    sandbox = settings.name == SANDBOX
    if sandbox:
        choose(SANDBOX)
    root = project_root(path.parent)
    return before.subject_of(settings, root or Path(), sandbox=sandbox)


def _summarize(findings: Iterable[Finding]) -> None:
    counts = Counter(each.outcome for each in findings)
    problems = counts[Outcome.PROBLEM]
    summary = f"{counts[Outcome.OK]} ok, {counted(problems, 'problem')}, {counts[Outcome.UNKNOWN]} unknown"
    if problems:
        raise CliError(summary)
    click.echo(summary, err=True)


def _table(findings: Iterable[Finding]) -> "Table":
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    separator = "\n" if on_terminal() else " "
    for each in findings:
        text = Text(printable(each.text))
        if each.fix:
            text.append(f"{separator}→ {printable(each.fix)}", style="bold")
        table.add_row(Text(each.outcome, style=_STYLES[each.outcome]), each.check, text)
    return table
