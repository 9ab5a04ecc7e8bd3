"""``dropbatch fetch``."""

import json
import re
import sys
from pathlib import Path

import click

from dropbatch.cli import results, runs
from dropbatch.cli.completion import run_ids
from dropbatch.cli.context import Context
from dropbatch.cli.errors import NotFoundError, ReachError, in_words
from dropbatch.cli.progress import Progress
from dropbatch.cli.text import counted, reporting
from dropbatch.contract.runs import State

__all__ = ["command"]

_RUN = re.compile(r"r-[0-9a-f]{1,20}")


def _newest_of(context: Context, what: str) -> str:
    """Return the output prefix of an input's newest run: looked up below the input's key, else in the ledger."""
    try:
        return results.newest_run(context.deployed, context.group, what)
    except NotFoundError:
        # Results of other inputs, such as those below inputs/ that `submit` names, are in the pipeline's folder.
        found = runs.newest_of_file(
            context.deployed, context.group, what, fits=lambda run: run.state is State.SUCCEEDED
        )
        if found is None or not found.output_prefix:
            raise
        return found.output_prefix


@click.command(
    "fetch", epilog="\b\nExamples:\n  dropbatch fetch lab/wordcount/notes.txt results\n  dropbatch fetch r-1f0c results"
)
@click.argument("what", metavar="KEY|RUN", shell_complete=run_ids)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace existing files that differ from the results.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.pass_obj
def command(context: Context, what: str, directory: Path, overwrite: bool, as_json: bool) -> None:
    """Download the results of a run to DIR; for the key or s3:// URI of an input, those of its newest run.

    Repeat the command to resume an interrupted download. Every file is checked against the SHA-256 in the run record;
    files that are there already are kept. Prints the paths of the files.
    """
    deployed = context.deployed
    if _RUN.fullmatch(what):
        run = runs.find(deployed, context.group, what)
        prefix = run.output_prefix
        if not prefix:
            raise NotFoundError(f"{run.run_id} was {run.state} and has no results: {run.reason}")
    else:
        prefix = _newest_of(context, what)
    record = results.read_record(deployed, prefix)
    if record["status"] != "SUCCEEDED":
        raise NotFoundError(
            f"{record['run_id']} failed and published no results: {record['phase']}: {record['reason']}"
        )
    if not record["outputs"]:
        click.echo("the run succeeded and wrote no files", err=True)
    total = sum(output["size"] for output in record["outputs"])
    found = []
    with reporting() as reporter:
        progress = Progress(
            reporter, f"fetching {counted(len(record['outputs']), 'file')}", total, live=sys.stderr.isatty()
        )
        try:
            for fetched in results.fetch(
                deployed, record, prefix, directory, overwrite=overwrite, received=progress.sent
            ):
                found.append({"path": str(fetched.path), "size": fetched.size, "already_there": fetched.already_there})
                if not as_json:
                    reporter.data(str(fetched.path))
                if fetched.already_there:
                    reporter.say(f"{fetched.path} exists already, with the right checksum")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or (
                isinstance(error, Exception) and isinstance(in_words(error), ReachError)
            ):
                files = counted(len(record["outputs"]), "file")
                reporter.say(f"{len(found)} of {files} were fetched; repeat the command to continue")
            raise
    if as_json:
        click.echo(json.dumps({"run_id": record["run_id"], "files": found}, ensure_ascii=False, indent=2))
