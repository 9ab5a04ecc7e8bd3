"""Print tables and trees: fitted to a terminal; for a program, untruncated and without colour."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["on_terminal", "show"]

_PIPED_COLUMNS = 4000
"""Width of piped tables: every row fits on one line."""


def on_terminal() -> bool:
    """Return whether stdout is a terminal."""
    from rich.console import Console  # noqa: PLC0415 – takes 0.1 s, and `--help` does not need it

    return Console().is_terminal


def show(renderable: "RenderableType") -> None:
    """Print a table or tree to stdout."""
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
