"""The ledger table in DynamoDB: ids of its items, keys of its indexes, and conversion of values.

The items are defined in `dropbatch.contract.items`.
"""

import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "BY_DAY",
    "MAILS",
    "MAX_ATTEMPTS",
    "PAUSED",
    "RECONCILED",
    "SHARDS",
    "UNFINISHED",
    "Clock",
    "day_key",
    "day_keys",
    "exhausted_key",
    "from_item",
    "from_value",
    "job_key",
    "limit_key",
    "mail_key",
    "refused_key",
    "run_key",
    "timestamp",
    "to_item",
    "to_value",
    "unfinished_key",
    "unfinished_keys",
    "usage_key",
    "usage_keys",
    "utc_now",
]

Clock = Callable[[], datetime]
"""Returns the current time in UTC."""

BY_DAY = "by-day"
"""Index of runs by group and day; hash key ``day``, range key ``created_at``."""
UNFINISHED = "unfinished"
"""Sparse index of pending runs (unfinished, or with a final state that is not published yet) and of pending mails.

Hash key ``unfinished``, range key ``updated_at``.
"""
MAILS = "mail"
"""Hash key in the index `UNFINISHED` of mails that have not been sent."""
SHARDS = 4
"""Shards of each index. A partition takes 1,000 writes/s, and a new on-demand table starts at 4,000."""
PAUSED = "flag#paused"
RECONCILED = "flag#reconciled"
MAX_ATTEMPTS = 30
"""Maximum number of attempts of a run that the system makes without a request."""
_USAGE_SHARDS = 10  # transactions on the same item conflict, so the ends of a group's runs are counted in several items


def run_key(group: str, run_id: str) -> str:
    """Return the id of a RUN item. It begins with the group, so IAM's ``dynamodb:LeadingKeys`` can separate groups."""
    return f"{group}#{run_id}"


def job_key(job_name: str) -> str:
    """Return the id of a JOB item."""
    return f"job#{job_name}"


def exhausted_key(pool: str) -> str:
    """Return the id of the item that marks a pool as exhausted."""
    return f"flag#dry#{pool}"


def mail_key(group: str, window: str) -> str:
    """Return the id of a MAIL item."""
    return f"{group}#mail#{window}"


def limit_key(group: str, month: str) -> str:
    """Return the id of the LIMIT item of a group's month (``yyyy-mm``)."""
    return f"{group}#month#{month}"


def usage_key(group: str, month: str, run_id: str) -> str:
    """Return the id of the USAGE item that counts a run in a month (``yyyy-mm``)."""
    return f"{group}#month#{month}#{zlib.crc32(run_id.encode()) % _USAGE_SHARDS}"


def usage_keys(group: str, month: str) -> list[str]:
    """Return the ids of all USAGE items of a group's month."""
    return [f"{group}#month#{month}#{shard}" for shard in range(_USAGE_SHARDS)]


def _shard(run_id: str) -> int:
    return zlib.crc32(run_id.encode()) % SHARDS


def day_key(group: str, day: str, run_id: str) -> str:
    """Return the hash key of a run in the by-day index (``yyyy-mm-dd``)."""
    return f"{group}#{day}#{_shard(run_id)}"


def day_keys(group: str, day: str) -> list[str]:
    """Return all hash keys of a group's day."""
    return [f"{group}#{day}#{shard}" for shard in range(SHARDS)]


def refused_key(group: str) -> str:
    """Return the hash key in the by-day index of JOB items that Batch refused; the range key is the end of the refusal.

    It begins with the group, so that its members can read why their runs wait. They may not read JOB items by id.
    """
    return f"{group}#refused"


def unfinished_key(run_id: str) -> str:
    """Return the hash key of a run in the index `UNFINISHED`."""
    return f"u#{_shard(run_id)}"


def unfinished_keys() -> list[str]:
    """Return all hash keys of runs in the index `UNFINISHED`."""
    return [f"u#{shard}" for shard in range(SHARDS)]


def timestamp(time: datetime) -> str:
    """Return the time as ISO-8601 text in UTC with milliseconds; the texts sort like the times."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now() -> datetime:
    """Return the current time, the default clock."""
    return datetime.now(UTC)


def to_value(value: Any) -> dict[str, Any]:
    """Convert a string, bool, integer, None, list or mapping to a DynamoDB value.

    Raises:
        TypeError: any other type, including floats, which DynamoDB does not store exactly.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": str(value)}
        case int():
            return {"N": str(value)}
        case list() | tuple():
            return {"L": [to_value(item) for item in value]}
        case Mapping():
            return {"M": to_item(value)}
    raise TypeError(f"the ledger does not hold a {type(value).__name__}: {value!r}")


def from_value(value: Mapping[str, Any]) -> Any:
    """Convert a DynamoDB value to a plain value.

    Raises:
        ValueError: a set or a binary value, which the ledger never writes.
    """
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "BOOL":
            return inner
        case "N":
            return int(inner)
        case "NULL":
            return None
        case "L":
            return [from_value(item) for item in inner]
        case "M":
            return from_item(inner)
    raise ValueError(f"the ledger does not hold the type {kind}")


def to_item(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert plain values to a DynamoDB item."""
    return {name: to_value(value) for name, value in values.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a DynamoDB item to plain values."""
    return {name: from_value(value) for name, value in item.items()}
