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
    """Start the sandbox, deploy to it, drop a text (or FILE) and show what becomes of it.

    The first time takes a minute or two, since Terraform makes everything; after that it takes seconds.
    """
    root = project_root()
    sandbox = sandbox_here(root)
    if root is None or sandbox is None:
        raise NotFoundError("no environments/sandbox.toml here or above: go to a checkout of the project")
    chosen = demo.choose_file(file, root)
    with reporting() as voice:
        try:
            deployed = demo.bring_up(root, sandbox, voice)
            outcome = demo.run(deployed, sandbox, chosen, demo.starter(root), voice)
        except KeyboardInterrupt:
            voice.say("interrupted: `make demo` goes on from here, `make demo-down` removes everything")
            raise
    _show(outcome, root)


def _show(outcome: demo.Outcome, root: Path) -> None:
    """What came of it, on stdout."""
    click.echo("")
    click.echo(f"result of {printable(str(outcome.file))}:")
    for line in outcome.result_head or ["the program left no file"]:
        click.echo(f"    {printable(line)}")
    for output in outcome.record["outputs"]:
        click.echo(f"result  {printable(output['uri'])}")
    click.echo(f"record  {printable(outcome.record_uri)}")
    click.echo(f"mail    one for all drops of a minute: soon in {outcome.mail.relative_to(root)}/, not sent")
    click.echo(f"drop to result: {duration(outcome.seconds)}")
    name = shlex.quote(outcome.file.name)
    click.echo("\nhow to go on, after `source .venv/bin/activate`:")
    for line, meaning in (
        ("dropbatch drop FILE --wait", "drop another file"),
        ("dropbatch status", "see the runs"),
        (f"dropbatch logs {outcome.dropped.run_id}", "read what the program printed"),
        (f"dropbatch fetch {name} results", "bring the result here"),
        ('eval "$(dropbatch sandbox env)"', "then the aws command talks to the sandbox too"),
        ("make demo", "after changing image/wordcount or environments/sandbox.toml: redeploys"),
        ("make demo-down", "destroy everything again"),
    ):
        click.echo(f"    {line:<42}  {meaning}")
