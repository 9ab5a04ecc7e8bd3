"""``dropbatch``: the command group. Commands are imported when they are called, so that help is instant."""

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
    "drop": "upload files and directories, which starts a run of each file",
    "submit": "start runs over inputs that are in the bucket, with parameters",
    "rerun": "process the inputs of runs again, as new runs",
    "retry": "try failed or cancelled runs again",
    "reproduce": "make a result again of what it was made of, and compare",
    "cancel": "end runs that have not ended",
    "status": "recent runs, and how many are in which state",
    "show": "everything known about a run",
    "logs": "what a run's program printed",
    "fetch": "bring a run's results here, checked against its record",
    "tree": "the folders of the group, and what is in them",
    "export": "a run as an RO-Crate, for archives",
    "report": "a page about runs: timeline, durations, memory, cost, failures",
    "cost": "what runs used and cost, by pipeline, group or day",
    "invite": "make a first key for a person without single sign-on",
    "pause": "start nothing from now on",
    "resume": "let everything go on",
    "sandbox": "AWS on this machine: up, down, status, env",
    "doctor": "what keeps an environment from working, and the fix",
    "init": "write an environment file, or a folder for a new pipeline",
    "completion": "what makes Tab work in your shell",
    "demo": "deploy to the sandbox, drop a file, see the result",
    "demo-down": "destroy what the demo made",
}
"""Names in the order of help, with the line shown there."""

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
    "Exit codes: 0 done · 1 the run failed · 2 usage · 3 not found · 4 credentials or rights · 5 no answer · "
    "6 not identical · 130 interrupted",
)
@click.option(
    "--env", "environment", metavar="NAME", help=f"Environment; else {VARIABLE}, else the sandbox running here."
)
@click.option(
    "--group",
    "group_name",
    metavar="NAME",
    shell_complete=completion.groups,
    help="Group; needed where an environment has several. _system: files that belong to none.",
)
@click.version_option(__version__, prog_name="dropbatch", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, environment: str | None, group_name: str | None) -> None:
    """Drop a file; a container processes it on AWS Batch; the result comes back."""
    ctx.obj = Context(environment=environment, group_name=group_name)


def main() -> NoReturn:
    """Console script."""
    # Garbage is looked for 50 times less often: what boto3's imports leave stays, and going through it again and again
    # took a third of the time of counting many runs.
    gc.set_threshold(35_000)
    _end_in_good_order()
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
        # At once: Python would wait for threads in the middle of a transfer, which may hang.
        os._exit(_INTERRUPTED)
    except BrokenPipeError:
        # `dropbatch status | head`: nobody listens any more; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def _end_in_good_order() -> None:
    """A closed terminal and `kill` are Ctrl-C to us: Terraform saves its state, and nothing runs on without us."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_DFL:  # with `nohup` it is not
            signal.signal(number, signal.default_int_handler)
