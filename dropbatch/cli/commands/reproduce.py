"""``dropbatch reproduce``."""

import json
from typing import Any

import click

from dropbatch.cli import estimate, requests, results, runs, waiting
from dropbatch.cli.completion import run_ids
from dropbatch.cli.confirmation import confirm
from dropbatch.cli.context import Context
from dropbatch.cli.errors import CliError, DifferentError, UsageFault
from dropbatch.cli.text import printable, reporting, size
from dropbatch.contract.reproduction import Comparison, NotReproducibleError, Pins, compare, pins_of
from dropbatch.contract.runs import State, request_id

__all__ = ["command"]


@click.command(
    "reproduce",
    epilog="\b\nExamples:\n  dropbatch reproduce r-1f0c --wait --yes\n  dropbatch reproduce r-1f0c --with r-77ab\n\n"
    "Exit codes: 0 requested, or identical · 1 the new run failed, or is impossible · 6 not identical",
)
@click.argument("run", shell_complete=run_ids)
@click.option("--wait", is_flag=True, help="Follow the new run, then compare; Ctrl-C stops following, not the run.")
@click.option(
    "--with", "other", metavar="RUN", shell_complete=run_ids, help="Compare with this run instead of starting one."
)
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(
    context: Context, *, run: str, wait: bool, other: str | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Repeat RUN with exactly the same image, input versions and parameters.

    The new run uses the revision of the job definition that RUN used, whatever was deployed since. With --wait, the
    results are compared file by file by SHA-256: one line per file, then the verdict.
    """
    if other is not None and (wait or dry_run):
        raise UsageFault("--with compares runs that have ended: leave out --wait and --dry-run")
    deployed, group = context.deployed, context.group
    original = runs.find(deployed, group, run, fits=lambda each: each.state is State.SUCCEEDED)
    record = _record(context, original)
    pins = _pins(record)
    answer: dict[str, Any] = {"run": original.run_id, "job_definition": pins.definition, "request": None}
    again: runs.Run | None = runs.find(deployed, group, other) if other is not None else None
    if again is None:
        what = f"repeat {original.run_id} with {pins.definition}; {_max_cost(context, original)}{_elsewhere(record)}"
        if dry_run:
            click.echo(f"Would {what}", err=True)
        else:
            confirm(what[0].upper() + what[1:], yes=yes)
            sent = requests.put(deployed, group, "reproduce", {"runs": [original.run_id]})
            answer["request"], answer["reproduction"] = sent.uri, _identity(original, pins, sent)
            click.echo(f"requested: {what}", err=True)
            if wait:
                again = _follow(context, original, answer["reproduction"], sent)
            elif not as_json:
                click.echo(answer["reproduction"])
                click.echo(f"compare with: dropbatch reproduce {run} --with {answer['reproduction'][:12]}", err=True)
    comparison = None
    if again is not None:
        answer["reproduction"] = again.run_id
        waiting.raise_if_failed([again])
        comparison = compare(record, _record(context, again))
        answer |= _plain(comparison)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    if comparison is not None:
        _print(original, comparison, as_json=as_json)


def _record(context: Context, run: runs.Run) -> dict[str, Any]:
    if run.state is not State.SUCCEEDED:
        raise UsageFault(f"{run.run_id} is {run.state}: only results of runs that succeeded can be compared")
    return results.read_record(context.deployed, run.output_prefix)


def _pins(record: dict[str, Any]) -> Pins:
    try:
        return pins_of(record)
    except NotReproducibleError as error:
        raise CliError(str(error)) from error


def _max_cost(context: Context, run: runs.Run) -> str:
    return estimate.max_cost(context.deployed, run.pipeline, 1, run.item.get("overrides")).words


def _elsewhere(record: dict[str, Any]) -> str:
    """Return a warning about results outside the run's own directory, which the new run overwrites."""
    uris = [each["uri"] for each in record["outputs"] if f"/{record['run_id']}/" not in each["uri"]]
    return f"; overwrites {', '.join(uris)}" if uris else ""


def _identity(original: runs.Run, pins: Pins, sent: requests.Sent) -> str:
    request = request_id(sent.key, sent.version_id)
    return pins.identity(group=original.group, pipeline=original.pipeline, original=original.run_id, request=request)


def _follow(context: Context, original: runs.Run, identity: str, sent: requests.Sent) -> runs.Run:
    with reporting() as reporter:
        names = {identity: waiting.name_of(original)}
        return waiting.wait_for(context.deployed, context.group, names, reporter, sent=sent)[identity]


def _plain(comparison: Comparison) -> dict[str, Any]:
    verdicts = {
        "identical": comparison.equal,
        "different": comparison.different,
        "missing": comparison.missing,
        "new": comparison.added,
    }
    return {
        "identical": comparison.identical,
        "files": [{"name": name, "verdict": verdict} for verdict, names in verdicts.items() for name in names],
        "image_changed": comparison.image_changed,
        "inputs_changed": list(comparison.inputs_changed),
    }


def _print(original: runs.Run, comparison: Comparison, *, as_json: bool) -> None:
    """Print a line for each file, then the verdict.

    Raises:
        DifferentError: the results are not the same.
    """
    if not as_json:
        for each in _plain(comparison)["files"]:
            sizes = comparison.sizes.get(each["name"])
            detail = f"  ({size(sizes[0])} before, {size(sizes[1])} now)" if sizes else ""
            click.echo(f"{each['verdict']:<9}  {printable(each['name'])}{detail}")
    for uri in comparison.inputs_changed:
        click.echo(
            f"note: the input {printable(uri)} changed: the command names it, and its version is not pinned", err=True
        )
    if comparison.image_changed:
        click.echo("note: the runs had different images", err=True)
    if not comparison.identical:
        raise DifferentError(f"{original.run_id} was not reproduced: {printable(comparison.line)}")
    click.echo(comparison.line, err=True)
