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
    "email": "E-mail address for notifications and warnings",
    "monthly_usd": "Monthly budget in US dollars; nothing starts once it is spent",
    "max_vcpus": "Maximum number of vCPUs at once",
}


@click.command(
    "init",
    epilog="\b\nExamples:\n  dropbatch init\n"
    "  dropbatch init --name dev --region eu-central-1 --email lab@example.org --monthly-usd 50 --max-vcpus 64\n"
    "  dropbatch init --pipeline align",
)
@click.option("--name", help="Name of the environment.")
@click.option("--region", help="AWS region, for example eu-central-1.")
@click.option("--email", help="E-mail address for notifications and warnings.")
@click.option("--monthly-usd", type=int, help="Monthly budget in US dollars; nothing starts once it is spent.")
@click.option("--max-vcpus", type=int, help="Maximum number of vCPUs at once.")
@click.option(
    "--pipeline",
    metavar="NAME",
    help="Write image/NAME with Dockerfile, program and test, instead of an environment file.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Project directory; default: the checkout that contains the current directory, else the current directory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, pipeline: str | None, directory: Path | None, as_json: bool, **given: Any) -> None:
    """Ask five questions and write environments/NAME.toml; or, with --pipeline, write a folder for a new pipeline.

    Questions that options answer are skipped. The file is validated before it is written; nothing is overwritten.
    """
    root = directory or project_root() or Path()
    given = {name: value for name, value in given.items() if value is not None}
    if pipeline is not None:
        if given:
            raise UsageFault("--pipeline writes a folder for a pipeline: leave out the options about the environment")
        _pipeline(root, pipeline, as_json=as_json)
        return
    answers = _ask(given)
    faults = init_files.faults(answers)
    if faults:
        raise UsageFault("\n".join(faults))
    written = init_files.write_all(
        root / "environments", {f"{answers.name}.toml": init_files.environment_text(answers)}
    )
    _print(written, None, as_json=as_json)
    click.echo(
        f"before you deploy: `dropbatch doctor --before-deploy {written[0]}`; then `npx cdktf deploy {answers.name}`",
        err=True,
    )


def _ask(given: dict[str, Any]) -> Answers:
    answers = replace(Answers(), **given)
    missing = [each.name for each in fields(Answers) if each.name not in given]
    if missing and not is_interactive():
        listed = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise UsageFault(f"cannot ask, because the input is not a terminal: give {listed} too")
    for name in missing:
        answers = _ask_one(answers, name)
    return answers


def _ask_one(answers: Answers, name: str) -> Answers:
    """Ask one question until its answer is valid."""
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
    _print(written, table, as_json=as_json)
    click.echo(
        "add the printed table to environments/*.toml; try the program: dropbatch-run --input FILE "
        f"--output DIR -- {written[0].parent / name} {{input}} {{output}}/result.txt",
        err=True,
    )


def _print(written: list[Path], table: str | None, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"files": [str(path) for path in written], "table": table}, indent=2))
        return
    if table is None:
        click.echo(str(written[0]))
        return
    for path in written:
        click.echo(f"wrote {path}", err=True)
    click.echo(table, nl=False)
