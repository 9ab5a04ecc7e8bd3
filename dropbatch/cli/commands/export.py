"""``dropbatch export``."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from dropbatch.cli import results, ro_crate, runs
from dropbatch.cli.completion import run_ids
from dropbatch.cli.context import Context
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import CliError, NotFoundError
from dropbatch.cli.progress import Progress
from dropbatch.cli.text import counted, reporting
from dropbatch.contract import keys

__all__ = ["command"]

_RESULTS = "results"


@click.command(
    "export",
    epilog="\b\nExamples:\n  dropbatch export r-1f0c --ro-crate crate\n"
    "  dropbatch export r-1f0c --ro-crate crate --without-files",
)
@click.argument("run", shell_complete=run_ids)
@click.option(
    "--ro-crate",
    "directory",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the Workflow Run RO-Crate (profile Process Run Crate).",
)
@click.option("--without-files", is_flag=True, help="Refer to the results by their s3:// URIs; download none.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(context: Context, run: str, directory: Path, without_files: bool, as_json: bool) -> None:
    """Write RUN (an id, or its beginning) as an RO-Crate for an archive or a paper.

    The crate holds the results, log and record of the run, and describes its provenance in standard terms. Inputs are
    referred to by URI, version and SHA-256. DIR must be new or empty, or hold an earlier export of this run, which is
    then resumed. Prints the path of the crate's metadata.
    """
    ro_crate.available()
    deployed = context.deployed
    found = runs.find(deployed, context.group, run)
    if not found.output_prefix:
        raise NotFoundError(f"{found.run_id} was {found.state} and has no record: {found.reason}")
    record = results.read_record(deployed, found.output_prefix)
    _prepare(directory, record)
    also = _own_files(deployed, found.output_prefix, record, directory)
    fetched = {} if without_files else _fetch(deployed, found.output_prefix, record, directory)
    path = ro_crate.write_crate(record, directory, fetched=fetched, also=also)
    if as_json:
        answer = {"run_id": record["run_id"], "metadata": str(path), "files": [str(each) for each in fetched.values()]}
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        click.echo(str(path))


def _prepare(directory: Path, record: dict[str, Any]) -> None:
    """Create the directory, or check that it belongs to this run."""
    name = keys.record_key("")
    if directory.is_dir() and any(directory.iterdir()):
        try:
            whose = json.loads((directory / name).read_text())["run_id"]
        except (OSError, ValueError, KeyError, TypeError):
            whose = None
        if whose != record["run_id"]:
            what = f"the crate of {whose}" if whose else "not empty"
            raise CliError(f"{directory} is {what}: name a new directory")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n")


def _own_files(deployed: Deployed, prefix: str, record: dict[str, Any], directory: Path) -> dict[str, str]:
    also = {keys.record_key(""): f"Run record of {record['run_id']}"}
    log = results.read_log(deployed, prefix)
    if log is not None:
        (directory / keys.log_key("")).write_bytes(log)
        also[keys.log_key("")] = f"What the program of {record['run_id']} printed"
    return also


def _fetch(deployed: Deployed, prefix: str, record: dict[str, Any], directory: Path) -> dict[str, Path]:
    """Download the results into the crate, except those outside the run's own output prefix."""
    own = [each for each in record["outputs"] if keys.split_uri(each["uri"])[1].startswith(prefix)]
    total = sum(output["size"] for output in own)
    with reporting() as reporter:
        progress = Progress(reporter, f"fetching {counted(len(own), 'file')}", total, live=sys.stderr.isatty())
        fetched = results.fetch(
            deployed, {**record, "outputs": own}, prefix, directory / _RESULTS, received=progress.sent
        )
        return {output["uri"]: each.path for output, each in zip(own, fetched, strict=True)}
