"""``dropbatch sandbox``: AWS on this machine."""

import json
import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dropbatch.cli.environment import sandbox_here
from dropbatch.cli.errors import NotFoundError, ReachError, RunFailedError
from dropbatch.cli.text import reporting

if TYPE_CHECKING:
    from dropbatch.sandbox import Sandbox

__all__ = ["command"]


@click.group(
    "sandbox",
    epilog='\b\nExample:\n  dropbatch sandbox up && eval "$(dropbatch sandbox env)" && aws s3 ls',
    no_args_is_help=True,
)
def command() -> None:
    """Run AWS on this machine, one sandbox per checkout: no account, no cost, loopback only."""


_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@command.command(
    "up",
    short_help="start the sandbox",
    epilog="\b\nExamples:\n  dropbatch sandbox up\n  dropbatch sandbox up --runner container",
)
@click.option(
    "--runner",
    type=click.Choice(["process", "container", "stub"]),
    help="How jobs run: the image's program as a process (default), the image in docker or podman, or not at all.",
)
@_as_json
def up(runner: str | None, as_json: bool) -> None:
    """Start the sandbox, unless it is running. Prints its endpoint."""
    with reporting() as reporter:
        endpoint = _sandbox().up(reporter.now, runner=runner)
    click.echo(json.dumps({"url": endpoint.url}) if as_json else endpoint.url)


@command.command("down", short_help="stop it and keep its contents", epilog="\b\nExample:\n  dropbatch sandbox down")
def down() -> None:
    """Stop the sandbox. Its contents are kept for the next start."""
    with reporting() as reporter:
        _sandbox().down(reporter.now)


@command.command(
    "status",
    short_help="show whether it runs, where, and its contents",
    epilog="\b\nExample:\n  dropbatch sandbox status",
)
@_as_json
def status(as_json: bool) -> None:
    """Show whether the sandbox runs, its address and its contents. Exit code 5 when it does not run."""
    sandbox = _sandbox()
    found = sandbox.status()
    if not found.running:
        raise ReachError("the sandbox of this directory is not running: start it with `dropbatch sandbox up`")
    control = sandbox.control()
    jobs = {state: count for state, count in found.counts.items() if count}
    if as_json:
        where = {"url": found.url, "pid": found.pid, "runner": found.runner, "region": sandbox.region}
        what = {"jobs": dict(found.counts), "clock": control["clock"], "faults": control["faults"]}
        click.echo(json.dumps({**where, "directory": str(found.directory), **what}, indent=2))
        return
    click.echo(f"running at {found.url}, process {found.pid}")
    click.echo(f"runner  {found.runner}")
    click.echo(f"region  {sandbox.region}")
    click.echo(f"state   {found.directory}")
    click.echo(f"jobs    {', '.join(f'{count} {state}' for state, count in jobs.items()) or 'none'}")
    click.echo(f"clock   {_pace(control['clock'])}")
    for number, each in enumerate(control["faults"]):
        click.echo(f"{'' if number else 'faults':<8}{_settings(each)}")


@command.command(
    "env",
    short_help="print variables that point other programs to it",
    epilog='\b\nExample:\n  eval "$(dropbatch sandbox env)" && aws s3 ls',
)
@_as_json
def env(as_json: bool) -> None:
    """Print shell commands for `eval` that make other programs use the sandbox.

    Variables that would point them elsewhere, such as AWS_PROFILE, are unset. AWS CLI version 1 ignores
    AWS_ENDPOINT_URL for SQS: add `--endpoint-url $AWS_ENDPOINT_URL` there.
    """
    from dropbatch.sandbox.clients import exports  # noqa: PLC0415

    unset, variables = exports(_running().environ())
    if as_json:
        click.echo(json.dumps({"unset": list(unset), "variables": dict(variables)}, indent=2))
        return
    click.echo(f"unset {' '.join(unset)}")
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@command.command(
    "exec",
    short_help="run a command against it",
    context_settings={"ignore_unknown_options": True},
    epilog="\b\nExample:\n  dropbatch sandbox exec -- aws batch describe-job-queues",
)
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND")
def execute(arguments: tuple[str, ...]) -> None:
    """Run COMMAND with the variables of `env` and without your other AWS settings. Returns its exit code."""
    from dropbatch.sandbox.clients import command_environment  # noqa: PLC0415

    environ = command_environment(_running().environ())
    try:
        os.execvpe(arguments[0], arguments, environ)  # noqa: S606 -- the user asked for it
    except FileNotFoundError:
        raise NotFoundError(f"{arguments[0]}: no such command") from None


@command.command(
    "invoke",
    short_help="invoke a function with an event from a file",
    epilog="\b\nExample:\n  dropbatch sandbox invoke arrival --event tests/events/arrival-s3-put.json",
)
@click.argument("function")
@click.option(
    "--event",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="JSON file with the event.",
)
def invoke(function: str, path: Path) -> None:
    """Invoke FUNCTION (arrival, run_events or spend_guard) with an event from a file, with its own role and settings.

    The result goes to standard output, the log to standard error. In the file, placeholders such as {{input_bucket}}
    and {{group}} are replaced with the deployed values; tests/events/ has a sample of each kind of event.
    """
    from dropbatch.sandbox.invocation import invoke as call  # noqa: PLC0415

    found = call(_running().environ(), function, path.read_text())
    click.echo(found.log.rstrip("\n"), err=True)
    click.echo(json.dumps(found.result, indent=2, ensure_ascii=False))
    if found.failed:
        raise RunFailedError(f"{found.function} failed")


@command.command(
    "fault",
    short_help="inject a fault",
    epilog="\b\nExample:\n  dropbatch sandbox fault no-capacity --queue spot\n  dropbatch sandbox fault clear",
)
@click.argument("kind", required=False)
@click.option("--queue", help="Only this job queue; the end of its name is enough, for example `spot`.")
@click.option("--job", help="reclaim: only the machine of this job.")
@click.option("--function", "function", help="kill-function: the function, for example `arrival`.")
@click.option("--status", "state", help="Faults of events: only events with this job state, for example `SUCCEEDED`.")
@click.option("--seconds", type=float, help="Duration of a lasting fault, by Batch's clock.")
@click.option("--rate", type=float, help="throttle: SubmitJob calls per second.")
@click.option("--times", type=int, help="How many times the fault occurs; 0: until cleared.")
@_as_json
def fault(kind: str | None, as_json: bool, **settings: str | float | None) -> None:
    """Inject a fault of this KIND; without KIND, list the active faults; with `clear`, remove all.

    \b
    no-capacity       no job of the queue starts: Batch gets no instances
    reclaim           the machines of running jobs are terminated at once
    pull-error        the image of a job cannot be pulled
    out-of-memory     a job is killed for using too much memory
    slow-start        a job stays STARTING
    throttle          SubmitJob is limited to a rate
    lost-answer       SubmitJob succeeds, but its response is lost
    list-lag          ListJobs omits the newest jobs
    drop-events       a job's event is lost
    duplicate-events  a job's event is delivered twice
    delay-events      a job's event is delivered late
    kill-function     a function's process is killed while it works
    """  # noqa: D301 -- click needs the character
    request: dict[str, object] = {key: value for key, value in settings.items() if value is not None}
    if "state" in request:
        request["status"] = request.pop("state")
    payload: dict[str, object] | None = (
        None if kind is None else {"clear": True} if kind == "clear" else {"fault": kind, **request}
    )
    answer = _control(payload)
    if as_json:
        body = {"faults": answer.get("faults", []), "reclaimed": answer.get("jobs", [])}
        click.echo(json.dumps(body, indent=2))
        return
    for job in answer.get("jobs", []):
        click.echo(f"reclaimed the machine of {job}")
    for each in answer.get("faults", []):
        click.echo(_settings(each))
    if answer.get("jobs") == []:
        click.echo("no running job matched", err=True)
    elif answer.get("faults") == []:
        click.echo("no fault is set", err=True)


@command.command(
    "clock",
    short_help="speed up Batch's clock",
    epilog="\b\nExample:\n  dropbatch sandbox clock 60   # a minute of Batch's time is a second",
)
@click.argument("speed", type=float, required=False)
@_as_json
def clock(speed: float | None, as_json: bool) -> None:
    """Run Batch's clock at SPEED seconds per second; without SPEED, show it. A restart sets it back to 1."""
    answer = _control(None if speed is None else {"clock": speed})
    if as_json:
        click.echo(json.dumps({"seconds_per_second": answer["clock"]}))
        return
    click.echo(_pace(answer["clock"]))


@command.command(
    "grants",
    short_help="list permissions that were never used",
    epilog="\b\nExample:\n  make demo && dropbatch sandbox grants",
)
@click.option("--role", "prefix", default="dropbatch-", show_default=True, help="Prefix of the roles' names.")
@click.option("--used", is_flag=True, help="List the permissions that were used: role, action and resource.")
@_as_json
def grants(prefix: str, used: bool, as_json: bool) -> None:
    """List the permissions in policies of roles that were not used since the sandbox started."""
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    from dropbatch.sandbox.grants import policies_of, unused  # noqa: PLC0415

    uses = [(role, action, arn) for role, action, arn in _control({"grants": True})["uses"] if role.startswith(prefix)]
    if used:
        if as_json:
            found_uses = [{"role": role, "action": action, "resource": arn} for role, action, arn in uses]
            click.echo(json.dumps(found_uses, indent=2))
            return
        for use in uses:
            click.echo("  ".join(use))
        return
    environ = _running().environ()
    iam = boto3.client(
        "iam",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=environ["AWS_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}),
    )
    found = unused(policies_of(iam, prefix), uses)
    if as_json:
        click.echo(json.dumps([{**asdict(grant), "checked": grant.checked} for grant in found], indent=2))
        return
    for grant in found:
        note = "" if grant.checked else "  (the sandbox does not record its use)"
        click.echo(f"{grant.role}  {grant.action}  {grant.resource}{note}")
    click.echo(f"{len(found)} grants never used, {len(uses)} uses recorded", err=True)


def _pace(speed: float) -> str:
    return f"{speed:g} {'second' if speed == 1 else 'seconds'} of Batch's time a second"


def _settings(fault: dict[str, Any]) -> str:
    return "  ".join([fault["fault"], *(f"{key}={value}" for key, value in fault.items() if key != "fault")])


def _control(request: dict[str, object] | None) -> dict[str, Any]:
    return _running().control(request)


def _running() -> "Sandbox":
    sandbox = _sandbox()
    if not sandbox.status().running:
        raise ReachError("the sandbox of this directory is not running: start it with `dropbatch sandbox up`")
    return sandbox


def _sandbox() -> "Sandbox":
    found = sandbox_here()
    if found is None:
        raise NotFoundError("no environments/sandbox.toml here or above: go to a checkout of the project")
    return found
