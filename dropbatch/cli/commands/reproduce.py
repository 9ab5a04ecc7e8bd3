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
    "Exit codes: 0 asked for, or identical · 1 the new run failed, or cannot be made · 6 not identical",
)
@click.argument("run", shell_complete=run_ids)
@click.option("--wait", is_flag=True, help="Follow the new run, then compare; Ctrl-C stops following, not the run.")
@click.option("--with", "other", metavar="RUN", shell_complete=run_ids, help="Start nothing: compare with this run.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_obj
def command(
    context: Context, *, run: str, wait: bool, other: str | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Make the result of RUN again, of exactly what it was made of: the same image, input versions and parameters.

    Whatever was deployed since, the revision of the job definition that RUN used is used again. With --wait the results
    are compared by SHA-256, file by file: a line each, and the verdict.
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
        what = f"make {original.run_id} again with {pins.definition}; {_worst(context, original)}{_elsewhere(record)}"
        if dry_run:
            click.echo(f"Would {what}", err=True)
        else:
            confirm(what[0].upper() + what[1:], yes=yes)
            sent = requests.put(deployed, group, "reproduce", {"runs": [original.run_id]})
            answer["request"], answer["reproduction"] = sent.uri, _identity(original, pins, sent)
            click.echo(f"asked to {what}", err=True)
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
        _tell(original, comparison, as_json=as_json)


def _record(context: Context, run: runs.Run) -> dict[str, Any]:
    if run.state is not State.SUCCEEDED:
        raise UsageFault(f"{run.run_id} is {run.state}: only results of runs that succeeded can be compared")
    return results.read_record(context.deployed, run.output_prefix)


def _pins(record: dict[str, Any]) -> Pins:
    try:
        return pins_of(record)
    except NotReproducibleError as error:
        raise CliError(str(error)) from error


def _worst(context: Context, run: runs.Run) -> str:
    return estimate.max_cost(context.deployed, run.pipeline, 1, run.item.get("overrides")).words


def _elsewhere(record: dict[str, Any]) -> str:
    """What the run wrote outside its own directory: that will be written again, over what is there."""
    uris = [each["uri"] for each in record["outputs"] if f"/{record['run_id']}/" not in each["uri"]]
    return f"; overwrites {', '.join(uris)}" if uris else ""


def _identity(original: runs.Run, pins: Pins, sent: requests.Sent) -> str:
    request = request_id(sent.key, sent.version_id)
    return pins.identity(group=original.group, pipeline=original.pipeline, original=original.run_id, request=request)


def _follow(context: Context, original: runs.Run, identity: str, sent: requests.Sent) -> runs.Run:
    with reporting() as voice:
        names = {identity: waiting.name_of(original)}
        return waiting.wait_for(context.deployed, context.group, names, voice, sent=sent)[identity]


def _plain(found: Comparison) -> dict[str, Any]:
    verdicts = {
        "identical": found.equal,
        "different": found.different,
        "missing": found.missing,
        "new": found.added,
    }
    return {
        "identical": found.identical,
        "files": [{"name": name, "verdict": verdict} for verdict, names in verdicts.items() for name in names],
        "image_changed": found.image_changed,
        "inputs_changed": list(found.inputs_changed),
    }


def _tell(original: runs.Run, found: Comparison, *, as_json: bool) -> None:
    """A line for each file and the verdict.

    Raises:
        DifferentError: the results are not the same.
    """
    if not as_json:
        for each in _plain(found)["files"]:
            sizes = found.sizes.get(each["name"])
            detail = f"  ({size(sizes[0])} before, {size(sizes[1])} now)" if sizes else ""
            click.echo(f"{each['verdict']:<9}  {printable(each['name'])}{detail}")
    for uri in found.inputs_changed:
        click.echo(
            f"note: the input {printable(uri)} had another content: the command names it, no version is kept", err=True
        )
    if found.image_changed:
        click.echo("note: the runs had different images", err=True)
    if not found.identical:
        raise DifferentError(f"{original.run_id} was not reproduced: {printable(found.line)}")
    click.echo(found.line, err=True)
