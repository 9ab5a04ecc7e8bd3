"""Mails and mail windows: the runs of a request, or of files dropped within some minutes, share one mail."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dropbatch.contract import ledger
from dropbatch.contract.items import Run
from dropbatch.contract.mail_items import MailWindow
from dropbatch.contract.runs import State
from lambdas.ledger.table import Ledger

__all__ = ["Mail", "open_windows", "window_name"]


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A mail."""

    subject: str
    """Fewer than 100 characters of printable ASCII, as SNS requires."""
    body: str


_EARLIER = timedelta(hours=1)
"""How much earlier than the first run to end another run of its request may have been created."""


def window_name(run: Run, minutes: int) -> str:
    """Return the name of a run's window. `minutes` is the length of windows of dropped files."""
    return run.request_id or ledger.timestamp(_start(run.created_at, minutes))


def open_windows(table: Ledger, runs: Iterable[Run], minutes: int) -> list[tuple[MailWindow, Run]]:
    """Write the windows of runs to the ledger; return the new ones, each with one of its runs."""
    windows = {(run.group, window_name(run, minutes)): run for run in runs}
    opened = [(_window(run, minutes), run) for run in windows.values()]
    return [(window, run) for window, run in opened if table.put_new(window.to_item())]


def _window(run: Run, minutes: int) -> MailWindow:
    start = _start(run.created_at, minutes)
    until = ledger.timestamp(start + timedelta(minutes=minutes))
    # A rejected request has no further runs, so its mail is due at once.
    is_over = bool(run.request) and run.state is State.REJECTED
    return MailWindow(
        group=run.group,
        window=window_name(run, minutes),
        request=run.request,
        start=ledger.timestamp(start - _EARLIER if run.request else start),
        until=until,
        updated_at=run.created_at if is_over else until,
    )


def _start(time: str, minutes: int) -> datetime:
    seconds = minutes * 60
    return datetime.fromtimestamp(datetime.fromisoformat(time).timestamp() // seconds * seconds, UTC)
