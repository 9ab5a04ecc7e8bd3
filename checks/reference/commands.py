"""The page about the `dropbatch` command, from its own help."""

from collections.abc import Iterator

import click

from dropbatch.cli.main import cli

__all__ = ["page", "walk"]

_HEAD = """# The `dropbatch` command

Made from the command's own help by `make reference`. Data goes to standard output, everything else to standard error.
"""
_COLUMNS = 100


def page() -> str:
    """Markdown: a section for each command, with what `--help` prints."""
    parts = [_HEAD]
    for names, command in walk(cli, ("dropbatch",)):
        context = click.Context(command, info_name=" ".join(names), terminal_width=_COLUMNS, max_content_width=_COLUMNS)
        parts.append(f"## {' '.join(names)}\n\n```text\n{command.get_help(context).rstrip()}\n```\n")
    return "\n".join(parts).rstrip() + "\n"


def walk(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The command and all below it, each with the words that call it."""
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=names[-1])
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from walk(found, (*names, name))
