"""``dropbatch demo``."""

import shlex
from pathlib import Path

import click

from dropbatch.cli import demo
from dropbatch.cli.environment import project_root, sandbox_here
from dropbatch.cli.errors import NotFoundError
from dropbatch.cli.text import duration, printable, reporting

__all__ = ["command"]


@click.command("demo", epilog="\b\nExample:\n  dropbatch demo notes.txt")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def command(file: Path | None) -> None:
    """Start the sandbox, deploy to it, drop a text file (or FILE) and show the result.

    The first call takes a minute or two, because Terraform creates everything; later calls take seconds.
    """
    root = project_root()
    sandbox = sandbox_here(root)
    if root is None or sandbox is None:
        raise NotFoundError("no environments/sandbox.toml here or above: go to a checkout of the project")
    chosen = demo.choose_file(file, root)
    with reporting() as reporter:
        try:
            deployed = demo.bring_up(root, sandbox, reporter)
            outcome = demo.run(deployed, sandbox, chosen, demo.starter(root), reporter)
        except KeyboardInterrupt:
            reporter.say("interrupted: `make demo` continues from here, `make demo-down` removes everything")
            raise
    _show(outcome, root)


def _show(outcome: demo.Outcome, root: Path) -> None:
    """Print the outcome on stdout."""
    click.echo("")
    click.echo(f"result of {printable(str(outcome.file))}:")
    for line in outcome.result_head or ["the program wrote no file"]:
        click.echo(f"    {printable(line)}")
    for output in outcome.record["outputs"]:
        click.echo(f"result  {printable(output['uri'])}")
    click.echo(f"record  {printable(outcome.record_uri)}")
    click.echo(f"mail    one per minute of drops: written to {outcome.mail.relative_to(root)}/ soon, not sent")
    click.echo(f"drop to result: {duration(outcome.seconds)}")
    name = shlex.quote(outcome.file.name)
    click.echo("\nnext steps, after `source .venv/bin/activate`:")
    for line, meaning in (
        ("dropbatch drop FILE --wait", "drop another file"),
        ("dropbatch status", "see the runs"),
        (f"dropbatch logs {outcome.dropped.run_id}", "read what the program printed"),
        (f"dropbatch fetch {name} results", "download the result"),
        ('eval "$(dropbatch sandbox env)"', "make the aws command use the sandbox too"),
        ("make demo", "after changing image/wordcount or environments/sandbox.toml: redeploys"),
        ("make demo-down", "destroy everything"),
    ):
        click.echo(f"    {line:<42}  {meaning}")
