"""Counting runs by state: a hundred thousand in about a second, in memory that does not grow with their number."""

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.runs import days_since
from dropbatch.contract import ledger
from dropbatch.contract.runs import FINAL_STATES, State

__all__ = ["Tally", "tally"]

_AT_ONCE = 8
_EVENT = "before-parse.dynamodb.Query"
_WINDOW = timedelta(minutes=10)
"""Throughput is that of the last minutes: what ran before, with other machines, tells little."""


@dataclass
class Tally:
    """How many runs are in which state, and how fast they end."""

    counts: Counter[State] = field(default_factory=Counter)
    ended_lately: int = 0
    first_lately: str = ""
    """When the first of these ended: the window may be longer than there was anything to do."""

    @property
    def total(self) -> int:
        """All runs."""
        return sum(self.counts.values())

    @property
    def unfinished(self) -> int:
        """Runs that have not ended."""
        return sum(count for state, count in self.counts.items() if not state.final)

    def per_minute(self, now: datetime) -> float:
        """Runs that ended per minute, lately."""
        if not self.ended_lately:
            return 0.0
        since = max(datetime.fromisoformat(self.first_lately), now - _WINDOW)
        return self.ended_lately / max((now - since).total_seconds() / 60, 1)

    def estimated_end(self, now: datetime) -> datetime | None:
        """When all will have ended if it goes on so; None when nothing is left, or nothing ended lately."""
        rate = self.per_minute(now)
        return now + timedelta(minutes=self.unfinished / rate) if rate and self.unfinished else None

    def add(self, items: Iterable[Mapping[str, Any]], pipeline: str | None, lately: str) -> None:
        """Count items in DynamoDB's own form."""
        states: Counter[str] = Counter()
        for item in items:
            if pipeline is not None and item.get("pipeline", {}).get("S") != pipeline:
                continue
            state = item["state"]["S"]
            states[state] += 1
            if state in FINAL_STATES and (ended := item["updated_at"]["S"]) >= lately:
                self.ended_lately += 1
                self.first_lately = min(self.first_lately or ended, ended)
        for name, count in states.items():
            self.counts[State(name)] += count


def tally(deployed: Deployed, group: str, *, since: datetime, pipeline: str | None = None) -> Tally:
    """Count the runs of a group that were created since a moment."""
    total = Tally()
    lock = threading.Lock()
    lately = ledger.timestamp(datetime.now(UTC) - _WINDOW)
    days = [key for day in days_since(since) for key in ledger.day_keys(group, day)]
    with _Reader(deployed, with_pipeline=pipeline is not None) as reader:

        def count(day: str) -> None:
            for items in reader.pages(day, ledger.timestamp(since)):
                with lock:
                    total.add(items, pipeline, lately)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(count, day) for day in days]:
                done.result()
    return total


class _Reader(AbstractContextManager["_Reader"]):
    """Reads pages of the index by day without botocore's parser, which takes longer over an item than all the rest."""

    def __init__(self, deployed: Deployed, *, with_pipeline: bool) -> None:
        self._fields = "#state, updated_at" + (", pipeline" if with_pipeline else "")
        self._table = deployed.description.ledger_table
        self._client = deployed.dynamodb
        self._here = threading.local()
        self._client.meta.events.register(_EVENT, self._take)

    def __exit__(self, *_: object) -> None:
        self._client.meta.events.unregister(_EVENT, self._take)

    def _take(self, response_dict: dict[str, Any], **_: Any) -> None:
        # The client is not this one's alone.
        if not getattr(self._here, "reads", False) or response_dict["status_code"] != 200:
            return
        # Called in the thread that asked: what it keeps cannot be another's.
        body = json.loads(response_dict["body"])
        self._here.items = body.pop("Items")
        response_dict["body"] = json.dumps({"Items": [], **body}).encode()

    def pages(self, day: str, since: str) -> Iterable[list[Mapping[str, Any]]]:
        """Items of a day and shard, as far as they are counted."""
        names = {"#state": "state", "#day": "day"}
        self._here.reads = True  # in the thread that looks through the pages, until it has
        for _ in self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=ledger.BY_DAY,
            KeyConditionExpression="#day = :day AND created_at >= :since",
            ProjectionExpression=self._fields,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=ledger.to_item({":day": day, ":since": since}),
        ):
            yield self._here.items
        self._here.reads = False
