"""``dropbatch drop``."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dropbatch.cli import results, runs, uploads, waiting
from dropbatch.cli.completion import pipelines
from dropbatch.cli.context import Context
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import UsageFault
from dropbatch.cli.progress import Progress
from dropbatch.cli.text import Reporter, counted, printable, reporting
from dropbatch.contract import keys
from dropbatch.contract.runs import State

__all__ = ["command"]


@click.command(
    "drop",
    epilog="\b\nExamples:\n  dropbatch drop notes.txt --pipeline wordcount --fetch results\n"
    "  dropbatch drop scans/ --wait",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--pipeline", metavar="NAME", shell_complete=pipelines, help="Pipeline; optional when there is only one.")
@click.option("--wait", is_flag=True, help="Follow the runs until they end; Ctrl-C stops following, not the runs.")
@click.option(
    "--fetch",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Wait, then download the results to DIR.",
)
@click.option(
    "--marker",
    metavar="NAME",
    default="",
    help="Name of the marker object that completes each folder; default: the pipeline's own, if it takes folders.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list instead of lines.")
@click.pass_obj
def command(
    context: Context,
    *,
    files: tuple[Path, ...],
    pipeline: str | None,
    wait: bool,
    directory: Path | None,
    marker: str,
    as_json: bool,
) -> None:
    """Upload FILES, and all files below directories. Each uploaded file starts a run.

    For a pipeline that takes folders, give directories: each is completed with a marker object and starts one run.

    A file that was uploaded before with the same content is skipped and starts nothing. Repeat the command to resume
    an interrupted upload.

    Prints the s3:// URI of each file, and with --wait those of the results. Exit code 1 when a run did not succeed.
    """
    deployed, group = context.deployed, context.group
    pipeline = deployed.description.pipeline(pipeline)
    marker = marker or deployed.description.folders.get(pipeline, "")
    if marker and not all(path.is_dir() for path in files):
        raise UsageFault(f"{pipeline} takes folders, each completed by {marker}: give directories only")
    planned = uploads.plan(files, group=group, pipeline=pipeline, marker=marker)
    with reporting() as reporter:
        dropped = _upload(deployed, planned, reporter, show=not as_json)
        if marker:
            dropped = [
                uploads.close_folder(deployed, path, dropped, group=group, pipeline=pipeline, marker=marker)
                for path in files
            ]
        _report_skipped(dropped, reporter)
        answers: list[dict[str, Any]] = [
            {
                "input": each.uri,
                "version_id": each.version_id,
                "run_id": each.run_id,
                "already_there": each.already_there,
            }
            for each in dropped
        ]
        ended: dict[str, runs.Run] = {}
        if wait or directory is not None:
            names = {each.run_id: printable(_below(each.drop)) for each in dropped}
            ended = waiting.wait_for(deployed, group, names, reporter)
        for each, answer in zip(dropped, answers, strict=True):
            run = ended.get(answer["run_id"])
            if run is None:
                continue
            target = directory / _below(each.drop) if directory is not None and len(dropped) > 1 else directory
            answer.update(_outcome(context, run, target, reporter))
            for uri in [] if as_json else answer["outputs"]:
                reporter.data(uri)
    if as_json:
        click.echo(json.dumps(answers, ensure_ascii=False, indent=2))
    waiting.raise_if_failed(ended.values())


def _below(drop: uploads.Drop) -> str:
    """Return the file's path below its pipeline's folder."""
    return keys.InputKey.parse(drop.key).rest.strip("/")


def _upload(
    deployed: Deployed, planned: Sequence[uploads.Drop], reporter: Reporter, *, show: bool
) -> list[uploads.Dropped]:
    what = printable(planned[0].path.name) if len(planned) == 1 else f"{len(planned)} files"
    total = sum(each.path.stat().st_size for each in planned)
    progress = Progress(reporter, f"uploading {what}", total, live=sys.stderr.isatty(), before=f"reading {what}")
    dropped: list[uploads.Dropped] = []
    try:
        for each in uploads.drop_all(deployed, planned, progress):
            dropped.append(each)
            if show:
                reporter.data(each.uri)
    except BaseException:  # any cause: Ctrl-C, a lost connection, a file that vanished
        reporter.say(f"{len(dropped)} of {counted(len(planned), 'file')} were uploaded; repeat the command to continue")
        raise
    return dropped


def _report_skipped(dropped: Sequence[uploads.Dropped], reporter: Reporter) -> None:
    same = [each for each in dropped if each.already_there]
    if same:
        what = "folders" if same[0].drop.key.endswith("/") else "files"
        which = f"{_below(same[0].drop)} is" if len(same) == 1 else f"{len(same)} of {len(dropped)} {what} are"
        reporter.say(
            f"{printable(which)} there already with the same content, so nothing starts; "
            f"to process again: `dropbatch rerun {same[0].run_id[:12]}`"
        )


def _outcome(context: Context, run: runs.Run, directory: Path | None, reporter: Reporter) -> dict[str, Any]:
    """Return how a run ended and what it published; download its results to `directory`, if given."""
    answer: dict[str, Any] = {"state": run.state, "reason": run.reason or None, "outputs": []}
    if run.state is not State.SUCCEEDED:
        return answer
    record = results.read_record(context.deployed, run.output_prefix)
    answer["outputs"] = [output["uri"] for output in record["outputs"]]
    answer["record"] = keys.uri(context.deployed.description.output_bucket, keys.record_key(run.output_prefix))
    for warning in record["warnings"]:
        reporter.say(f"warning: {printable(warning)}")
    if directory is not None:
        for fetched in results.fetch(context.deployed, record, run.output_prefix, directory):
            reporter.say(f"fetched {fetched.path}")
    return answer
