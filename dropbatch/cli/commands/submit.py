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
@click.option(
    "--inputs", multiple=True, metavar="KEY", help="Key, folder/, pattern or s3:// URI; may be given repeatedly."
)
@click.option(
    "--param", "params", multiple=True, metavar="NAME=V,V", help="Values of a parameter; all combinations run."
)
@click.option(
    "--pipeline", metavar="NAME", shell_complete=pipelines, help="Pipeline; may be left out where there is only one."
)
@click.option("--config", metavar="KEY", help="Key of the file behind {config}.")
@click.option("--name", metavar="TEXT", help="What the runs are called.")
@click.option("--vcpus", type=int, help="Instead of the pipeline's own, within its limits; so the next three.")
@click.option("--memory-mib", type=int)
@click.option("--timeout-minutes", type=int)
@click.option("--pool", metavar="NAME")
@click.option("--missing", is_flag=True, help="Start what lies in the pipeline's folder and has no run.")
@click.option("--prefix", metavar="KEY", help="With --missing: only below this prefix.")
@click.option("--dry-run", is_flag=True, help="Only say what would run, how many, and the worst case.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@wait_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
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
    """Start runs over inputs that are in the bucket: those of a request FILE, of --inputs, or the --missing ones.

    Every input runs with every combination of the parameters. Says how many runs that is and the worst case, and asks.
    Prints the URI of the request. If it is refused, `dropbatch status` shows why.
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
        what = f"look at {counted(count, 'file')} below {body['prefix']} and start those that have no run"
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
        click.echo(f"asked to {what}", err=True)
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
    with reporting() as voice:
        begun = waiting.started_by(deployed, group, sent, count, voice)
        names = {run_id: waiting.name_of(run) for run_id, run in begun.items()}
        return waiting.wait_for(deployed, group, names, voice)


def _check(
    file: Path | None, inputs: tuple[str, ...], *, missing: bool, prefix: str | None, wait: bool, beside_file: bool
) -> None:
    """Refuse options that do not go together."""
    if sum((file is not None, bool(inputs), missing)) != 1:
        raise UsageFault("say what to run in one way: a request FILE, --inputs, or --missing")
    if file is not None and beside_file:
        raise UsageFault("a request file says everything itself: write the options into it, or use --inputs")
    if prefix is not None and not missing:
        raise UsageFault("--prefix goes with --missing")
    if missing and wait:
        raise UsageFault("how many files are missing shows only later: follow with `dropbatch status --watch`")
