"""Tables and trees on stdout: fitted to a terminal, whole and without colour for a program."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["on_terminal", "show"]

_PIPED_COLUMNS = 4000
"""Wide enough that a program reading a table gets every row on one line."""


def on_terminal() -> bool:
    """Whether a person reads stdout."""
    from rich.console import Console  # noqa: PLC0415 – a tenth of a second that `--help` need not wait for

    return Console().is_terminal


def show(renderable: "RenderableType") -> None:
    """Print it."""
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    if console.is_terminal:
        console.print(renderable)
        return
    wide = Console(width=_PIPED_COLUMNS)
    with wide.capture() as captured:
        wide.print(renderable)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
