"""The ``dropbatch`` command group. A command's module is imported only when it is called: help stays fast."""

import contextlib
import gc
import importlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

from dropbatch import __version__
from dropbatch.cli import completion
from dropbatch.cli.context import Context
from dropbatch.cli.environment import VARIABLE
from dropbatch.cli.errors import in_words
from dropbatch.contract.suggestions import did_you_mean

__all__ = ["Context", "cli", "main"]

_COMMANDS = {
    "drop": "upload files and directories, and start a run of each file",
    "submit": "start runs of inputs that are in the bucket, with parameters",
    "rerun": "process the inputs of runs again, as new runs",
    "retry": "try failed or cancelled runs again",
    "reproduce": "repeat a run with the same image and inputs, and compare",
    "cancel": "cancel runs that have not ended",
    "status": "show recent runs, and the number per state",
    "show": "show the details of a run",
    "logs": "print the log of a run's program",
    "fetch": "download a run's results, checked against its record",
    "tree": "show the group's inputs and results as a tree",
    "export": "write a run as an RO-Crate, for archives",
    "report": "write a page about runs: timeline, durations, memory, cost, failures",
    "cost": "show usage and cost of runs, by pipeline, group or day",
    "invite": "create an access key for a person without single sign-on",
    "pause": "stop starting runs",
    "resume": "end a pause",
    "sandbox": "run AWS on this machine: up, down, status, env",
    "doctor": "find problems of an environment, and their fixes",
    "init": "write an environment file, or a folder for a new pipeline",
    "completion": "print the Tab completion script for your shell",
    "demo": "deploy to the sandbox, drop a file, show the result",
    "demo-down": "destroy the demo's resources",
}
"""Commands in the order of `--help`, each with its one-line description."""

_INTERRUPTED = 130


class _Commands(click.Group):
    """Commands by name, each in a module of `dropbatch.cli.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"dropbatch.cli.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if near := did_you_mean(args[0], _COMMANDS):
                raise click.UsageError(f"{error.message} {near.strip().capitalize()}", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            words = in_words(error)
            if words is None:
                raise
            raise words from error


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  dropbatch drop notes.txt --pipeline wordcount --wait\n\n"
    "Exit codes: 0 done · 1 the run failed · 2 usage · 3 not found · 4 credentials or rights · 5 no response · "
    "6 not identical · 130 interrupted",
)
@click.option(
    "--env", "environment", metavar="NAME", help=f"Environment; default: {VARIABLE}, else the sandbox that runs here."
)
@click.option(
    "--group",
    "group_name",
    metavar="NAME",
    shell_complete=completion.groups,
    help="Group; required when the environment has several. _system: files that belong to no group.",
)
@click.version_option(__version__, prog_name="dropbatch", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, environment: str | None, group_name: str | None) -> None:
    """Drop a file; a container processes it on AWS Batch; fetch the result."""
    ctx.obj = Context(environment=environment, group_name=group_name)


def main() -> NoReturn:
    """Run the command line: the console script ``dropbatch``."""
    # Collect garbage 50 times less often. The objects that importing boto3 leaves live on, and traversing them again
    # and again took a third of the time of counting many runs.
    gc.set_threshold(35_000)
    _exit_on_signals()
    try:
        cli.main(prog_name="dropbatch", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except (click.Abort, KeyboardInterrupt):
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        # Exit at once: Python would wait for threads that are in the middle of a transfer, which may hang.
        os._exit(_INTERRUPTED)
    except BrokenPipeError:
        # `dropbatch status | head`: the reader is gone, and Python would report that again when it
        # closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def _exit_on_signals() -> None:
    """Handle a closed terminal and `kill` like Ctrl-C: Terraform saves its state, and no child process is left."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores SIGHUP
            signal.signal(number, signal.default_int_handler)
