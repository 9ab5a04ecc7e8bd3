"""Every command's help has an example, and each example is a valid call."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from checks.reference.commands import walk
from dropbatch.cli.main import cli

ROOT = Path(__file__).parents[2]
COMMANDS = {" ".join(names): command for names, command in walk(cli, ("dropbatch",))}


def examples(command: click.Command) -> Iterator[list[str]]:
    """Return the calls of `dropbatch` in a command's help, as words."""
    _, _, text = (command.epilog or "").partition("Example")
    for line in text.splitlines():
        if not line.startswith("  "):
            continue
        for call in re.split(r"&&|\||\$\(|\)", line):
            words = shlex.split(call.replace('"', " ") if call.count('"') % 2 else call, comments=True)
            if "dropbatch" in words:
                yield words[words.index("dropbatch") + 1 :]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_valid_example_of_itself(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    found = list(examples(COMMANDS[name]))

    assert any(f"dropbatch {' '.join(call)}".startswith(name) or "--env" in call for call in found), name
    for call in found:
        assert parsed(call)


def parsed(call: list[str]) -> bool:
    """Check options and arguments of a call without running it."""
    command: click.Command = cli
    context = command.make_context("dropbatch", list(call))
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command = found
        context = command.make_context(name, rest, parent=context)
    return True


def test_an_invalid_example_is_reported():
    with pytest.raises(click.UsageError, match="--bogus"):
        parsed(["status", "--bogus"])
    with pytest.raises(click.UsageError, match="No such command"):
        parsed(["stauts"])
