"""Generate the page about the `dropbatch` command from its ``--help``."""

from collections.abc import Iterator

import click

from dropbatch.cli.main import cli

__all__ = ["page", "walk"]

_HEAD = """# The `dropbatch` command

Generated from the command's `--help` by `make reference`. Data goes to stdout, everything else to stderr.
"""
_COLUMNS = 100


def page() -> str:
    """Return Markdown with a section for each command, which contains its ``--help``."""
    parts = [_HEAD]
    for names, command in walk(cli, ("dropbatch",)):
        context = click.Context(command, info_name=" ".join(names), terminal_width=_COLUMNS, max_content_width=_COLUMNS)
        parts.append(f"## {' '.join(names)}\n\n```text\n{command.get_help(context).rstrip()}\n```\n")
    return "\n".join(parts).rstrip() + "\n"


def walk(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield the command and all its subcommands, each with its full name as words."""
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=names[-1])
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from walk(found, (*names, name))
