"""``dropbatch submit``."""

import json
from pathlib import Path
from typing import Any

import click

from dropbatch.cli import estimate, requests, runs, waiting
from dropbatch.cli.commands.run_requests import wait_option
from dropbatch.cli.completion import pipelines
from dropbatch.cli.confirmation import confirm
from dropbatch.cli.context import Context
from dropbatch.cli.errors import UsageFault
from dropbatch.cli.text import counted, reporting

__all__ = ["command"]


@click.command(
    "submit",
    epilog="\b\nExamples:\n  dropbatch submit request.toml --dry-run\n"
    "  dropbatch submit --pipeline wordcount --inputs 'inputs/*.txt' --param k=1,2,4 --wait\n"
    "  dropbatch submit --pipeline wordcount --missing",
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--inputs", multiple=True, metavar="KEY", help="Key, folder/, pattern or s3:// URI; may be repeated.")
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=V,V",
    help="Values of a parameter; may be repeated. Every combination is run.",
)
@click.option("--pipeline", metavar="NAME", shell_complete=pipelines, help="Pipeline; optional when there is only one.")
@click.option("--config", metavar="KEY", help="Key of the file that {config} in the command refers to.")
@click.option("--name", metavar="TEXT", help="Name for the runs.")
@click.option("--vcpus", type=int, help="vCPUs of a run, instead of the pipeline's, within its limits.")
@click.option("--memory-mib", type=int, help="Memory of a run in MiB, instead of the pipeline's, within its limits.")
@click.option("--timeout-minutes", type=int, help="Timeout in minutes, instead of the pipeline's, within its limits.")
@click.option("--pool", metavar="NAME", help="Pool to run in, instead of the pipeline's.")
@click.option("--missing", is_flag=True, help="Start the files in the pipeline's folder that have no run.")
@click.option("--prefix", metavar="KEY", help="With --missing: only below this prefix.")
@click.option("--dry-run", is_flag=True, help="Print what would run and the maximum cost, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@wait_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(
    context: Context,
    /,
    *,
    file: Path | None,
    inputs: tuple[str, ...],
    params: tuple[str, ...],
    pipeline: str | None,
    config: str | None,
    name: str | None,
    missing: bool,
    prefix: str | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    as_json: bool,
    **overrides: Any,
) -> None:
    """Start runs of inputs that are in the bucket, named by a request FILE, --inputs or --missing.

    Every input is run with every combination of the parameters. Shows the number of runs and their maximum cost, and
    asks for confirmation. Prints the URI of the request. If it is refused, `dropbatch status` shows why.
    """
    rest = (*params, pipeline, config, name, *overrides.values())
    _check(file, inputs, missing=missing, prefix=prefix, wait=wait, beside_file=any(each is not None for each in rest))
    deployed, group = context.deployed, context.group
    body: dict[str, Any]
    if file is not None:
        body = requests.read_file(file)
        pipeline = deployed.description.pipeline(body.get("pipeline"))
    elif missing:
        pipeline = deployed.description.pipeline(pipeline)
        body = {"prefix": prefix or f"{group}/{pipeline}/"}
    else:
        pipeline = deployed.description.pipeline(pipeline)
        body = requests.submission(
            group=group,
            pipeline=pipeline,
            inputs=inputs,
            parameters=requests.values_of(params),
            config=config,
            name=name,
            overrides=overrides,
        )
    if missing:
        count = estimate.count_missing(deployed, body["prefix"])
        what = f"check {counted(count, 'file')} below {body['prefix']} and start those that have no run"
    else:
        found, combinations = estimate.count_inputs(deployed, requests.inputs_of(body)), requests.grid(body)
        count = found * combinations
        grid = f" × {combinations} combinations of parameters" if combinations > 1 else ""
        what = f"start {counted(count, 'run')} of {pipeline}: {counted(found, 'input')}{grid}"
    worst = estimate.max_cost(deployed, pipeline, count, body.get("overrides"))
    what += f"; {worst.words}"
    answer: dict[str, Any] = {
        "request": None,
        "kind": "backfill" if missing else "submit",
        "body": body,
        "runs": count,
        "worst": {"vcpu_hours": worst.vcpu_hours, "gib_hours": worst.gib_hours, "usd": worst.usd},
    }
    ended: dict[str, runs.Run] = {}
    if dry_run:
        click.echo(f"Would {what}", err=True)
    else:
        confirm(what[0].upper() + what[1:], yes=yes)
        sent = requests.put(deployed, group, answer["kind"], body)
        answer["request"] = sent.uri
        click.echo(f"requested: {what}", err=True)
        if not as_json:
            click.echo(sent.uri)
        if wait:
            ended = _follow(context, sent, count)
            answer["ended"] = [run.outcome() for run in ended.values()]
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2, default=str))
    waiting.raise_if_failed(ended.values())


def _follow(context: Context, sent: requests.Sent, count: int) -> dict[str, runs.Run]:
    deployed, group = context.deployed, context.group
    with reporting() as reporter:
        begun = waiting.started_by(deployed, group, sent, count, reporter)
        names = {run_id: waiting.name_of(run) for run_id, run in begun.items()}
        return waiting.wait_for(deployed, group, names, reporter)


def _check(
    file: Path | None, inputs: tuple[str, ...], *, missing: bool, prefix: str | None, wait: bool, beside_file: bool
) -> None:
    """Reject options that exclude each other."""
    if sum((file is not None, bool(inputs), missing)) != 1:
        raise UsageFault("name the inputs in one way: a request FILE, --inputs or --missing")
    if file is not None and beside_file:
        raise UsageFault("a request file takes no further options: write them into the file, or use --inputs")
    if prefix is not None and not missing:
        raise UsageFault("--prefix needs --missing: add it, or leave out --prefix")
    if missing and wait:
        raise UsageFault("--missing cannot be combined with --wait: follow with `dropbatch status --watch`")
