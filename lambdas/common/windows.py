"""Windows of which one mail tells: a request, or the minutes in which files were dropped. Opened by their first run."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.runs import State, request_id

__all__ = ["open_windows", "window_name"]

_EARLIER = timedelta(hours=1)
"""A request's runs are claimed piece by piece, and those that end first need not be those that were claimed first."""


def window_name(run: Mapping[str, Any], minutes: int) -> str:
    """Name of the window that a run (RUN item) belongs to."""
    if run.get("request"):
        return request_id(run["request"], run.get("request_version", ""))
    return ledger.timestamp(_start(run["created_at"], minutes))


def open_windows(
    dynamodb: Any, table: str, runs: Iterable[Mapping[str, Any]], minutes: int
) -> list[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Write the MAIL items of runs' windows; returns those that are new, each with a run of it."""
    windows = {ledger.mail_key(run["group"], window_name(run, minutes)): run for run in runs}
    return [(item, run) for run in windows.values() if (item := _open(dynamodb, table, run, minutes))]


def _open(dynamodb: Any, table: str, run: Mapping[str, Any], minutes: int) -> dict[str, Any] | None:
    start = _start(run["created_at"], minutes)
    until = ledger.timestamp(start + timedelta(minutes=minutes))
    # Nothing more will come of a request that was refused: why should its owner wait.
    is_over = bool(run.get("request")) and run["state"] == State.REJECTED
    name = window_name(run, minutes)
    item = {
        "id": ledger.mail_key(run["group"], name),
        "group": run["group"],
        "window": name,
        "request": run.get("request", ""),
        "from": ledger.timestamp(start - _EARLIER if run.get("request") else start),
        "until": until,
        "unfinished": ledger.MAILS,
        "updated_at": run["created_at"] if is_over else until,
    }
    try:
        dynamodb.put_item(TableName=table, Item=ledger.to_item(item), ConditionExpression="attribute_not_exists(id)")
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return None
    return item


def _start(moment: str, minutes: int) -> datetime:
    seconds = minutes * 60
    return datetime.fromtimestamp(datetime.fromisoformat(moment).timestamp() // seconds * seconds, UTC)
