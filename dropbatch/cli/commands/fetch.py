"""``dropbatch fetch``."""

import re
from pathlib import Path

import click

from dropbatch.cli import results, runs
from dropbatch.cli.errors import NotFoundError
from dropbatch.cli.main import Context
from dropbatch.cli.text import printable, size, talk

__all__ = ["command"]

_RUN = re.compile(r"r-[0-9a-f]{1,20}")


@click.command(
    "fetch", epilog="\b\nExamples:\n  dropbatch fetch lab/wordcount/notes.txt results\n  dropbatch fetch r-1f0c results"
)
@click.argument("what", metavar="KEY|RUN")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace files of the same names that are something else.")
@click.pass_obj
def command(context: Context, what: str, directory: Path, overwrite: bool) -> None:
    """Bring the results of a run to DIR. For an input's key or s3:// URI, those of its newest run.

    Every file is checked against the SHA-256 in the run record; files that are there already stay. Prints their paths.
    """
    deployed = context.deployed
    if _RUN.fullmatch(what):
        run = runs.find(deployed, context.group, what)
        prefix = run.output_prefix
        if not prefix:
            raise NotFoundError(f"{run.run_id} was {run.state} and has no results: {run.reason}")
    else:
        prefix = results.newest_run(deployed, context.group, what)
    record = results.read_record(deployed, prefix)
    if record["status"] != "SUCCEEDED":
        raise NotFoundError(
            f"{record['run_id']} failed and published no results: {record['phase']}: {record['reason']}"
        )
    if not record["outputs"]:
        click.echo("the run succeeded and left no files", err=True)
    with talk() as voice:
        for output in record["outputs"]:
            voice.now(f"fetching {printable(output['uri'].rpartition('/')[2])}, {size(output['size'])}")
            for fetched in results.fetch(deployed, {"outputs": [output]}, prefix, directory, overwrite=overwrite):
                click.echo(str(fetched.path))
                if fetched.already_there:
                    voice.say(f"{fetched.path} is there already, with the right checksum")
