"""``dropbatch init``."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from dropbatch.cli import init_files
from dropbatch.cli.confirmation import is_interactive
from dropbatch.cli.environment import project_root
from dropbatch.cli.errors import UsageFault
from dropbatch.cli.init_files import Answers

__all__ = ["command"]

_QUESTIONS = {
    "name": "Name of the environment (letters and digits)",
    "region": "AWS region",
    "email": "E-mail address for news and warnings",
    "monthly_usd": "Budget in US dollars a month; at its end nothing new starts",
    "max_vcpus": "Most vCPUs at once",
}


@click.command(
    "init",
    epilog="\b\nExamples:\n  dropbatch init\n"
    "  dropbatch init --name dev --region eu-central-1 --email lab@example.org --monthly-usd 50 --max-vcpus 64\n"
    "  dropbatch init --pipeline align",
)
@click.option("--name", help="Name of the environment.")
@click.option("--region", help="AWS region, such as eu-central-1.")
@click.option("--email", help="Address for news and warnings.")
@click.option("--monthly-usd", type=int, help="Budget; at its end nothing new starts.")
@click.option("--max-vcpus", type=int, help="Most vCPUs at once.")
@click.option("--pipeline", metavar="NAME", help="Instead: image/NAME with Dockerfile, program and test.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="The project; else the checkout around this directory, else this directory.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(*, pipeline: str | None, directory: Path | None, as_json: bool, **given: Any) -> None:
    """Ask five questions and write environments/NAME.toml; or write a folder for a new pipeline.

    What the options say is not asked. The file passes validation before it is written; nothing is overwritten.
    """
    root = directory or project_root() or Path()
    given = {name: value for name, value in given.items() if value is not None}
    if pipeline is not None:
        if given:
            raise UsageFault("--pipeline makes a pipeline's folder: leave the questions about the environment out")
        _pipeline(root, pipeline, as_json=as_json)
        return
    answers = _ask(given)
    found = init_files.faults(answers)
    if found:
        raise UsageFault("\n".join(found))
    written = init_files.write_all(
        root / "environments", {f"{answers.name}.toml": init_files.environment_text(answers)}
    )
    _tell(written, None, as_json=as_json)
    click.echo(
        f"before you deploy: `dropbatch doctor --before-deploy {written[0]}`; then `npx cdktf deploy {answers.name}`",
        err=True,
    )


def _ask(given: dict[str, Any]) -> Answers:
    answers = replace(Answers(), **given)
    missing = [each.name for each in fields(Answers) if each.name not in given]
    if missing and not is_interactive():
        listed = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise UsageFault(f"there is nobody to ask here: give {listed} too")
    for name in missing:
        answers = _asked(answers, name)
    return answers


def _asked(answers: Answers, name: str) -> Answers:
    """Ask one question until the answer is one that the file may hold."""
    before = set(init_files.faults(answers))
    default = getattr(answers, name)
    while True:
        shown = None if name == "email" else default
        value = click.prompt(_QUESTIONS[name], default=shown, type=type(default), err=True)
        answers = replace(answers, **{name: value})
        new = [fault for fault in init_files.faults(answers) if fault not in before]
        if not new:
            return answers
        for fault in new:
            click.echo(f"  {fault}", err=True)


def _pipeline(root: Path, name: str, *, as_json: bool) -> None:
    table = init_files.pipeline_table(name)
    written = init_files.write_all(root / "image" / name, init_files.pipeline_files(name), executable=name)
    _tell(written, table, as_json=as_json)
    click.echo(
        "the table that was printed belongs in environments/*.toml; try the program: dropbatch-run --input FILE "
        f"--output DIR -- {written[0].parent / name} {{input}} {{output}}/result.txt",
        err=True,
    )


def _tell(written: list[Path], table: str | None, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"files": [str(path) for path in written], "table": table}, indent=2))
        return
    if table is None:
        click.echo(str(written[0]))
        return
    for path in written:
        click.echo(f"wrote {path}", err=True)
    click.echo(table, nl=False)
