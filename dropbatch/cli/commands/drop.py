"""``dropbatch drop``."""

import json
import time
from pathlib import Path
from typing import Any

import click

from dropbatch.cli import results, runs, uploads
from dropbatch.cli.errors import RunFailedError
from dropbatch.cli.main import Context
from dropbatch.cli.text import Talk, duration, printable, talk
from dropbatch.contract import keys
from dropbatch.contract.runs import State

__all__ = ["command"]

_QUIET_SECONDS = 60


@click.command("drop", epilog="\b\nExample:\n  dropbatch drop notes.txt --pipeline wordcount --fetch results")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--pipeline", metavar="NAME", help="Pipeline; may be left out where there is only one.")
@click.option("--wait", is_flag=True, help="Follow the runs to their end; Ctrl-C stops following, not the runs.")
@click.option(
    "--fetch", "directory", metavar="DIR", type=click.Path(path_type=Path), help="Then bring the results here."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON list on stdout instead of lines.")
@click.pass_obj
def command(
    context: Context,
    *,
    files: tuple[Path, ...],
    pipeline: str | None,
    wait: bool,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Upload FILES, which starts a run of each.

    Prints the s3:// URI of each file, and with --wait those of the results. Exit code 1 when a run did not succeed.
    """
    deployed, group = context.deployed, context.group
    planned = uploads.plan(files, group=group, pipeline=deployed.description.pipeline(pipeline))
    answers: list[dict[str, Any]] = []
    with talk() as voice:
        dropped = []
        for each in planned:
            voice.now(f"uploading {printable(each.path.name)}")
            dropped.append(uploads.drop(deployed, each))
            answers.append(
                {"input": dropped[-1].uri, "version_id": dropped[-1].version_id, "run_id": dropped[-1].run_id}
            )
            if not as_json:
                click.echo(dropped[-1].uri)
        ended: dict[str, runs.Run] = {}
        if wait or directory is not None:
            ended = _follow(context, dropped, voice)
        for each, answer in zip(planned, answers, strict=True):
            run = ended.get(answer["run_id"])
            if run is None:
                continue
            target = directory / each.path.name if directory is not None and len(planned) > 1 else directory
            answer.update(_outcome(context, run, target, voice))
            for uri in [] if as_json else answer["outputs"]:
                click.echo(uri)
    if as_json:
        click.echo(json.dumps(answers, ensure_ascii=False, indent=2))
    _judge(list(ended.values()))


def _judge(ended: list[runs.Run]) -> None:
    """Raise when not all succeeded."""
    bad = [run for run in ended if run.state is not State.SUCCEEDED]
    if not bad:
        return
    first = bad[0]
    how = f"{first.run_id} {first.state}: {first.reason or 'no reason given'}; see `dropbatch logs {first.run_id}`"
    raise RunFailedError(
        how if len(ended) == 1 else f"{len(bad)} of {len(ended)} runs did not succeed, the first: {how}"
    )


def _follow(context: Context, dropped: list[uploads.Dropped], voice: Talk) -> dict[str, runs.Run]:
    names = {each.run_id: printable(each.drop.path.name) for each in dropped}
    begun = time.monotonic()
    warned = False

    def moved(run: runs.Run) -> None:
        took = runs.took(run)
        ran = "" if took is None else f", ran {duration(took)}"
        voice.say(f"{duration(time.monotonic() - begun):>8}  {run.state:<9}  {names[run.run_id]}  {run.run_id}{ran}")

    def waiting(seconds: float) -> None:
        nonlocal warned
        voice.now(f"following {len(names)} run{'s' if len(names) > 1 else ''}, Ctrl-C leaves them running")
        if seconds > _QUIET_SECONDS and not warned:
            warned = True
            voice.say("nothing has moved for a minute: is the environment paused, or are all machines busy?")

    try:
        return runs.follow(context.deployed, context.group, list(names), moved, waiting=waiting)
    except KeyboardInterrupt:
        voice.say("not following any more; the runs go on: `dropbatch status` shows them")
        raise


def _outcome(context: Context, run: runs.Run, directory: Path | None, voice: Talk) -> dict[str, Any]:
    """How a run ended and what it published; with a directory, its results are brought there."""
    answer: dict[str, Any] = {"state": run.state, "reason": run.reason or None, "outputs": []}
    if run.state is not State.SUCCEEDED:
        return answer
    record = results.read_record(context.deployed, run.output_prefix)
    answer["outputs"] = [output["uri"] for output in record["outputs"]]
    answer["record"] = keys.uri(context.deployed.description.output_bucket, keys.record_key(run.output_prefix))
    for warning in record["warnings"]:
        voice.say(f"warning: {printable(warning)}")
    if directory is not None:
        for fetched in results.fetch(context.deployed, record, run.output_prefix, directory):
            voice.say(f"fetched {fetched.path}")
    return answer
