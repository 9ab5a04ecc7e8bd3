"""``dropbatch demo-down``."""

import click

from dropbatch.cli import demo
from dropbatch.cli.environment import project_root, sandbox_here
from dropbatch.cli.errors import NotFoundError
from dropbatch.cli.text import reporting

__all__ = ["command"]


@click.command("demo-down", epilog="\b\nExample:\n  dropbatch demo-down")
def command() -> None:
    """Destroy the demo's resources with Terraform, stop the sandbox and remove its directory."""
    root = project_root()
    sandbox = sandbox_here(root)
    if root is None or sandbox is None:
        raise NotFoundError("no environments/sandbox.toml here or above: go to a checkout of the project")
    with reporting() as reporter:
        try:
            demo.take_down(root, sandbox, reporter)
        except KeyboardInterrupt:
            reporter.say("interrupted: `make demo-down` continues from here")
            raise
