"""Usage and cost of runs, by group, pipeline or day."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.runs import days_since
from dropbatch.contract import ledger
from dropbatch.contract.batches import read_items
from dropbatch.contract.runs import State
from dropbatch.contract.usage import MonthUsage, Usage, month_usage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Line", "by_day", "months", "summed", "used"]


_AT_ONCE = 8
_PARTS = tuple(each.name for each in fields(MonthUsage))


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of `cost`."""

    group: str
    pipeline: str
    """Empty for the sum of all pipelines."""
    period: str
    """``yyyy-mm`` or ``yyyy-mm-dd``."""
    usage: MonthUsage


def months(now: datetime, count: int) -> list[str]:
    """Return the last `count` months as ``yyyy-mm``, the current one first."""
    first = now.year * 12 + now.month - 1
    return [f"{number // 12}-{number % 12 + 1:02}" for number in range(first, first - count, -1)]


def used(deployed: Deployed, group: str, wanted: Sequence[str]) -> list[Line]:
    """Return the usage of a group by month and pipeline."""
    table = deployed.description.ledger_table
    found = []
    for month in wanted:
        items = read_items(deployed.dynamodb, table, ledger.usage_keys(group, month)).values()
        found += [
            Line(group=group, pipeline=pipeline, period=month, usage=usage)
            for pipeline, usage in month_usage(items).items()
        ]
    return found


def summed(lines: Iterable[Line]) -> list[Line]:
    """Sum up the lines of all pipelines, per group and period."""
    sums: dict[tuple[str, str], MonthUsage] = {}
    for line in lines:
        key = (line.period, line.group)
        sums[key] = _plus(sums.get(key, MonthUsage()), line.usage)
    return [Line(group=group, pipeline="", period=period, usage=usage) for (period, group), usage in sums.items()]


def by_day(deployed: Deployed, group: str, wanted: Sequence[str], *, pipeline: str | None = None) -> list[Line]:
    """Return the usage of a group's runs by the day on which they were created, all attempts included.

    The ledger has sums by month only, so this reads every run of these months, several days in parallel.
    """
    first = datetime.fromisoformat(f"{min(wanted)}-01").replace(tzinfo=UTC)
    client = deployed.dynamodb  # created before the threads start
    table = deployed.description.ledger_table

    def of_day(day: str) -> MonthUsage:
        runs = (run for key in ledger.day_keys(group, day) for run in _ended(client, table, key))
        of_runs = (_of_run(run) for run in runs if pipeline in {None, run["pipeline"]})
        return functools.reduce(_plus, of_runs, MonthUsage())

    days = days_since(first)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        sums = zip(days, pool.map(of_day, days), strict=True)
        found = [(day, usage) for day, usage in sums if usage != MonthUsage()]
    return [Line(group=group, pipeline=pipeline or "", period=day, usage=usage) for day, usage in found]


def _of_run(run: Mapping[str, Any]) -> MonthUsage:
    attempts = run["attempt"]
    usage = MonthUsage.of(Usage.from_item(run))
    # If the usage of one attempt is unknown, the sum of the run is unknown.
    return replace(
        usage,
        attempts=attempts,
        unknown_time=usage.unknown_time * attempts,
        unknown_cost=usage.unknown_cost * attempts,
    )


def _ended(client: "DynamoDBClient", table: str, key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the runs of a day and shard that have usage: pipeline, attempt and usage."""
    for page in client.get_paginator("query").paginate(
        TableName=table,
        IndexName=ledger.BY_DAY,
        KeyConditionExpression="#day = :day",
        FilterExpression="attribute_exists(#usage) AND #state <> :refused",
        ProjectionExpression="pipeline, attempt, #usage",
        ExpressionAttributeNames={"#day": "day", "#usage": "usage", "#state": "state"},
        ExpressionAttributeValues=ledger.to_item({":day": key, ":refused": State.REJECTED}),
    ):
        yield from map(ledger.from_item, page["Items"])


def _plus(one: MonthUsage, other: MonthUsage) -> MonthUsage:
    return MonthUsage(**{name: getattr(one, name) + getattr(other, name) for name in _PARTS})
