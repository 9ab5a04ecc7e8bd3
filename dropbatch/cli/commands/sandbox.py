"""``dropbatch sandbox``: AWS on this machine."""

import shlex
from typing import TYPE_CHECKING

import click

from dropbatch.cli.environment import sandbox_here
from dropbatch.cli.errors import NotFoundError, ReachError
from dropbatch.cli.text import talk

if TYPE_CHECKING:
    from dropbatch.sandbox import Sandbox

__all__ = ["command"]


@click.group(
    "sandbox",
    epilog='\b\nExample:\n  dropbatch sandbox up && eval "$(dropbatch sandbox env)" && aws s3 ls',
    no_args_is_help=True,
)
def command() -> None:
    """AWS on this machine, one per checkout: no account, no cost, loopback only."""


@command.command("up")
def up() -> None:
    """Start the sandbox, or find it running. Prints its endpoint."""
    with talk() as voice:
        endpoint = _sandbox().up(voice.now)
    click.echo(endpoint.url)


@command.command("down")
def down() -> None:
    """Stop the sandbox; what it holds is kept for the next start."""
    with talk() as voice:
        _sandbox().down(voice.now)


@command.command("status")
def status() -> None:
    """Say whether the sandbox runs, where, and what it holds. Exit code 5 when it does not run."""
    found = _sandbox().status()
    if not found.running:
        raise ReachError("the sandbox of this directory is not running: start it with `dropbatch sandbox up`")
    click.echo(f"running at {found.url}, process {found.pid}")
    for state, count in found.counts.items():
        click.echo(f"{count:>8} jobs {state}")


@command.command("env")
def env() -> None:
    """Print the variables that make other programs talk to the sandbox, for `eval`."""
    sandbox = _sandbox()
    if not sandbox.status().running:
        raise ReachError("the sandbox of this directory is not running: start it with `dropbatch sandbox up`")
    for name, value in sandbox.environ().items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _sandbox() -> "Sandbox":
    found = sandbox_here()
    if found is None:
        raise NotFoundError("no environments/sandbox.toml here or above: go to a checkout of the project")
    return found
