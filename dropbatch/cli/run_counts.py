"""Counting runs by state: a hundred thousand in about a second, in memory that does not grow with their number."""

import json
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.runs import days_since
from dropbatch.cli.thread_pool import thread_pool
from dropbatch.contract import ledger
from dropbatch.contract.runs import FINAL_STATES, State

__all__ = ["RunCounts", "count_runs"]

_AT_ONCE = 16
_PARTS = 4
"""Of a day's shard with more than one page. Shards times parts: as many as are read at once."""
_NAMES = {"#day": "day"}
_EVENT = "before-parse.dynamodb.Query"
_WINDOW = timedelta(minutes=10)
"""Throughput is that of the last minutes: what ran before, with other machines, tells little."""


@dataclass
class RunCounts:
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


def count_runs(deployed: Deployed, group: str, *, since: datetime, pipeline: str | None = None) -> RunCounts:
    """Count the runs of a group that were created since a moment."""
    total = RunCounts()
    lock = threading.Lock()
    lately = ledger.timestamp(datetime.now(UTC) - _WINDOW)
    first = ledger.timestamp(since)
    with _Reader(deployed, with_pipeline=pipeline is not None) as reader, thread_pool(_AT_ONCE) as pool:

        def count_page(span: _Span, start: _Item | None = None) -> _Item | None:
            items, following = reader.page(span, start)
            with lock:
                total.add(items, pipeline, lately)
            return following

        def count(span: _Span, *, whole: bool) -> None:
            following = count_page(span)
            if following is None:
                return
            if whole:  # and long: a page after the other, each with the wait for an answer, would take too long
                span, *others = span.split(following["created_at"]["S"], reader.newest(span))
                todo.extend(pool.submit(count, other, whole=False) for other in others)
            while following is not None:
                following = count_page(span, following)

        days = [_Span(key, first) for day in days_since(since) for key in ledger.day_keys(group, day)]
        todo: deque[Future[None]] = deque()
        todo.extend(pool.submit(count, day, whole=True) for day in days)
        while todo:
            todo.popleft().result()  # whatever it added to the queue is there before it ends
    return total


_Item = Mapping[str, Any]
"""In DynamoDB's own form."""


@dataclass(frozen=True)
class _Span:
    """Runs of a day and shard that were created from one moment to another, both included."""

    day: str
    first: str
    last: str = "9"  # after every moment: what is created while one counts, is counted

    def split(self, start: str, newest: str) -> list["_Span"]:
        """Some of about the same length, of which the first holds the start, and the last begins before the newest."""
        begun = datetime.fromisoformat(start)
        length = max(datetime.fromisoformat(newest or start) - begun, timedelta(0))
        cuts = sorted({ledger.timestamp(begun + length * part / _PARTS) for part in range(1, _PARTS)} - {start})
        # A moment without its "Z" comes before it, and after the one a millisecond earlier.
        ends = [*(cut.removesuffix("Z") for cut in cuts), self.last]
        return [replace(self, first=first, last=last) for first, last in zip([self.first, *cuts], ends, strict=True)]


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

    def page(self, span: _Span, following: _Item | None) -> tuple[list[_Item], _Item | None]:
        """Items of a page with what is counted of them, and where the next one begins."""
        start: Any = {} if following is None else {"ExclusiveStartKey": following}
        self._here.reads = True
        try:
            answer = self._query(span, self._fields, ExpressionAttributeNames={**_NAMES, "#state": "state"}, **start)
        finally:
            self._here.reads = False
        return self._here.__dict__.pop("items"), answer.get("LastEvaluatedKey")  # not kept until the next one comes

    def newest(self, span: _Span) -> str:
        """When the newest run was created; empty if there is none."""
        answer = self._query(span, "created_at", ExpressionAttributeNames=_NAMES, ScanIndexForward=False, Limit=1)
        return next((item["created_at"]["S"] for item in answer["Items"]), "")

    def _query(self, span: _Span, fields: str, **more: Any) -> Any:
        return self._client.query(
            TableName=self._table,
            IndexName=ledger.BY_DAY,
            KeyConditionExpression="#day = :day AND created_at BETWEEN :first AND :last",
            ProjectionExpression=fields,
            ExpressionAttributeValues=ledger.to_item({":day": span.day, ":first": span.first, ":last": span.last}),
            **more,
        )
