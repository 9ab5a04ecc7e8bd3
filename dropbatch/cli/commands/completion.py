"""``dropbatch completion``."""

import click
from click.shell_completion import get_completion_class

from dropbatch.cli.main import cli

__all__ = ["command"]

_PROGRAM, _VARIABLE = "dropbatch", "_DROPBATCH_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    epilog="\b\nExamples:\n"
    '  eval "$(dropbatch completion bash)"       # in ~/.bashrc; bash 4.4 or newer\n'
    '  eval "$(dropbatch completion zsh)"        # in ~/.zshrc, after compinit\n'
    "  dropbatch completion fish | source        # in ~/.config/fish/config.fish",
)
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print the Tab completion script for SHELL: commands, options, pipelines, groups and recent runs."""
    completion = get_completion_class(shell)
    assert completion is not None  # noqa: S101 – click knows these three
    click.echo(completion(cli, {}, _PROGRAM, _VARIABLE).source())
