"""Count runs by state: 100,000 runs in about a second, with constant memory."""

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
"""Parts of a shard with more than one page. Shards times parts is the number of parallel reads."""
_NAMES = {"#day": "day"}
_EVENT = "before-parse.dynamodb.Query"
_WINDOW = timedelta(minutes=10)
"""Period over which throughput is measured; earlier runs may have run on other machines."""


@dataclass
class RunCounts:
    """Number of runs per state, and their throughput."""

    counts: Counter[State] = field(default_factory=Counter)
    ended_lately: int = 0
    """Runs that ended in the last ten minutes."""
    first_lately: str = ""
    """When the first of these ended; throughput is measured from then on."""

    @property
    def total(self) -> int:
        """Number of all runs."""
        return sum(self.counts.values())

    @property
    def unfinished(self) -> int:
        """Number of runs that have not ended."""
        return sum(count for state, count in self.counts.items() if not state.final)

    def per_minute(self, now: datetime) -> float:
        """Return the number of runs that ended per minute, in the last ten minutes."""
        if not self.ended_lately:
            return 0.0
        since = max(datetime.fromisoformat(self.first_lately), now - _WINDOW)
        return self.ended_lately / max((now - since).total_seconds() / 60, 1)

    def estimated_end(self, now: datetime) -> datetime | None:
        """Return when all runs will have ended at this rate; None if none is left, or none ended lately."""
        rate = self.per_minute(now)
        return now + timedelta(minutes=self.unfinished / rate) if rate and self.unfinished else None

    def add(self, items: Iterable[Mapping[str, Any]], pipeline: str | None, lately: str) -> None:
        """Count items in DynamoDB's wire format; `lately` is the start of the last ten minutes."""
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
    """Count the runs of a group that were created since a time."""
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
            if whole:  # several pages: reading them one after the other would take too long
                span, *others = span.split(following["created_at"]["S"], reader.newest(span))
                todo.extend(pool.submit(count, other, whole=False) for other in others)
            while following is not None:
                following = count_page(span, following)

        days = [_Span(key, first) for day in days_since(since) for key in ledger.day_keys(group, day)]
        todo: deque[Future[None]] = deque()
        todo.extend(pool.submit(count, day, whole=True) for day in days)
        while todo:
            todo.popleft().result()  # a task adds further tasks before it ends
    return total


_Item = Mapping[str, Any]
"""An item in DynamoDB's wire format."""


@dataclass(frozen=True)
class _Span:
    """Runs of one day and shard that were created between two times, both included."""

    day: str
    first: str
    last: str = "9"  # after every timestamp, so that runs created during the count are included

    def split(self, start: str, newest: str) -> list["_Span"]:
        """Split into spans of about the same length; the first contains `start`, the last begins before `newest`."""
        begun = datetime.fromisoformat(start)
        length = max(datetime.fromisoformat(newest or start) - begun, timedelta(0))
        cuts = sorted({ledger.timestamp(begun + length * part / _PARTS) for part in range(1, _PARTS)} - {start})
        # A timestamp without its "Z" sorts just before it, and after the one a millisecond earlier.
        ends = [*(cut.removesuffix("Z") for cut in cuts), self.last]
        return [replace(self, first=first, last=last) for first, last in zip([self.first, *cuts], ends, strict=True)]


class _Reader(AbstractContextManager["_Reader"]):
    """Read pages of the index by day, bypassing botocore's parser, which takes longer per item than all other steps."""

    def __init__(self, deployed: Deployed, *, with_pipeline: bool) -> None:
        self._fields = "#state, updated_at" + (", pipeline" if with_pipeline else "")
        self._table = deployed.description.ledger_table
        self._client = deployed.dynamodb
        self._here = threading.local()
        self._client.meta.events.register(_EVENT, self._extract_items)

    def __exit__(self, *_: object) -> None:
        self._client.meta.events.unregister(_EVENT, self._extract_items)

    def _extract_items(self, response_dict: dict[str, Any], **_: Any) -> None:
        # Other code uses the same client.
        if not getattr(self._here, "reads", False) or response_dict["status_code"] != 200:
            return
        # botocore calls this in the thread that sent the query, so thread-local storage holds its own items.
        body = json.loads(response_dict["body"])
        self._here.items = body.pop("Items")
        response_dict["body"] = json.dumps({"Items": [], **body}).encode()

    def page(self, span: _Span, following: _Item | None) -> tuple[list[_Item], _Item | None]:
        """Return the items of a page with the counted fields, and the start of the next page."""
        start: Any = {} if following is None else {"ExclusiveStartKey": following}
        self._here.reads = True
        try:
            answer = self._query(span, self._fields, ExpressionAttributeNames={**_NAMES, "#state": "state"}, **start)
        finally:
            self._here.reads = False
        return self._here.__dict__.pop("items"), answer.get("LastEvaluatedKey")  # popped, to free the memory at once

    def newest(self, span: _Span) -> str:
        """Return when the newest run of the span was created; empty if there is none."""
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
