"""What a group's runs used, month by month."""

from dataclasses import dataclass
from datetime import datetime

from dropbatch.cli.deployed import Deployed
from dropbatch.contract import ledger
from dropbatch.contract.usage import MonthUsage, month_usage

__all__ = ["Line", "months", "used"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of `cost`."""

    group: str
    pipeline: str
    month: str
    """``yyyy-mm``."""
    usage: MonthUsage


def months(now: datetime, count: int) -> list[str]:
    """The last months, this one first, as ``yyyy-mm``."""
    first = now.year * 12 + now.month - 1
    return [f"{number // 12}-{number % 12 + 1:02}" for number in range(first, first - count, -1)]


def used(deployed: Deployed, group: str, wanted: list[str]) -> list[Line]:
    """Usage of a group by month and pipeline."""
    table = deployed.description.ledger_table
    found = []
    for month in wanted:
        keys = [ledger.to_item({"id": key}) for key in ledger.usage_keys(group, month)]
        items = []
        while keys:
            answer = deployed.dynamodb.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
            items += [ledger.from_item(item) for item in answer["Responses"].get(table, [])]
            keys = list(answer.get("UnprocessedKeys", {}).get(table, {"Keys": []})["Keys"])
        found += [
            Line(group=group, pipeline=pipeline, month=month, usage=usage)
            for pipeline, usage in month_usage(items).items()
        ]
    return found
