"""The ledger: keys of its items in the one DynamoDB table, its indexes, and DynamoDB's form of plain values.

The items themselves are in `dropbatch.contract.items`.
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
"""Tells the present, in UTC."""

BY_DAY = "by-day"
"""Index over runs by group and day; hash key ``day``, range key ``created_at``."""
UNFINISHED = "unfinished"
"""Sparse index over runs that need care: HELD, SUBMITTED, RUNNING, or final but not told of yet.

Hash key ``unfinished``, range key ``updated_at``.
"""
MAILS = "mail"
"""Hash key, in the same index, of MAIL items that are not done."""
SHARDS = 4
"""Shards of each index: a partition takes 1,000 writes/s, a table of this kind starts at 4,000."""
PAUSED = "flag#paused"
RECONCILED = "flag#reconciled"
MAX_ATTEMPTS = 30
"""Submissions of one run that the system makes of its own accord, whatever the causes."""
_USAGE_SHARDS = 10  # Ends of runs of one group meet in these items, and transactions that meet are refused.


def run_key(group: str, run_id: str) -> str:
    """Id of a RUN item. The group leads, so that IAM's ``dynamodb:LeadingKeys`` can fence groups off."""
    return f"{group}#{run_id}"


def job_key(job_name: str) -> str:
    """Id of a JOB item."""
    return f"job#{job_name}"


def exhausted_key(pool: str) -> str:
    """Id of the FLAG item that says a pool has no capacity."""
    return f"flag#dry#{pool}"


def mail_key(group: str, window: str) -> str:
    """Id of a MAIL item."""
    return f"{group}#mail#{window}"


def limit_key(group: str, month: str) -> str:
    """Id of the LIMIT item of a group's month (``yyyy-mm``)."""
    return f"{group}#month#{month}"


def usage_key(group: str, month: str, run_id: str) -> str:
    """Id of the USAGE item that a run counts in (``yyyy-mm``)."""
    return f"{group}#month#{month}#{zlib.crc32(run_id.encode()) % _USAGE_SHARDS}"


def usage_keys(group: str, month: str) -> list[str]:
    """Ids of all USAGE items of a group's month."""
    return [f"{group}#month#{month}#{shard}" for shard in range(_USAGE_SHARDS)]


def _shard(run_id: str) -> int:
    return zlib.crc32(run_id.encode()) % SHARDS


def day_key(group: str, day: str, run_id: str) -> str:
    """Hash key of a run in the index by day (``yyyy-mm-dd``)."""
    return f"{group}#{day}#{_shard(run_id)}"


def day_keys(group: str, day: str) -> list[str]:
    """All hash keys of a group's day."""
    return [f"{group}#{day}#{shard}" for shard in range(SHARDS)]


def refused_key(group: str) -> str:
    """Hash key, in the index by day, of JOB items that Batch refuses; range key: until when they count as refused.

    The group leads there too: its members may read why their runs wait, though JOB items are not theirs to read by id.
    """
    return f"{group}#refused"


def unfinished_key(run_id: str) -> str:
    """Hash key of a run in the index over unfinished runs."""
    return f"u#{_shard(run_id)}"


def unfinished_keys() -> list[str]:
    """All hash keys of the index over unfinished runs."""
    return [f"u#{shard}" for shard in range(SHARDS)]


def timestamp(moment: datetime) -> str:
    """ISO-8601 in UTC with milliseconds: text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now() -> datetime:
    """The present: the clock of everything that is not told another."""
    return datetime.now(UTC)


def to_value(value: Any) -> dict[str, Any]:
    """DynamoDB's form of a string, bool, number, None, list or mapping.

    Raises:
        TypeError: any other type; a float too, which DynamoDB does not keep exactly.
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
    """Plain value of DynamoDB's form.

    Raises:
        ValueError: a type that the ledger never writes (sets, binary).
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
    """DynamoDB item of plain values."""
    return {name: to_value(value) for name, value in values.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of a DynamoDB item."""
    return {name: from_value(value) for name, value in item.items()}
