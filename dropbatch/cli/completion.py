"""Tab completion: names and runs of the chosen environment. On any failure it offers nothing."""

import contextlib
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import click
from click.shell_completion import CompletionItem

from dropbatch.cli.context import Context
from dropbatch.cli.text import age, printable

__all__ = ["groups", "pipelines", "run_ids"]

_TIMEOUT_SECONDS = 3.0
_OFFERED = 20


def pipelines(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a pipeline."""
    return _within(lambda: _plain(_context(ctx).deployed.description.pipelines, incomplete))


def groups(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a group."""
    return _within(lambda: _plain(_context(ctx).deployed.description.groups, incomplete))


def run_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a recent run, shown with its state, file and age."""

    def recent() -> list[CompletionItem]:
        from dropbatch.cli import runs  # noqa: PLC0415 – heavy

        context = _context(ctx)
        found = runs.newest(
            context.deployed, context.group, since=datetime.now(UTC) - timedelta(days=7), limit=_OFFERED
        )
        return [
            CompletionItem(run.run_id, help=f"{run.state} {printable(run.name)} {age(run.created_at)}")
            for run in found
            if run.run_id.startswith(incomplete)
        ]

    return _within(recent)


def _context(ctx: click.Context) -> Context:
    given = ctx.find_root().params
    return Context(environment=given.get("environment"), group_name=given.get("group_name"))


def _plain(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def _within(offer: Callable[[], list[CompletionItem]]) -> list[CompletionItem]:
    """Return the completions, or none when `offer` fails or takes more than three seconds."""
    found: list[CompletionItem] = []

    def ask() -> None:
        # An error message would appear in the middle of the command line.
        with contextlib.suppress(Exception, SystemExit):
            found.extend(offer())

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_TIMEOUT_SECONDS)
    return found
