"""Counting the runs of a window of which one mail tells, over as many rounds of reconcile as it takes.

A page of the ledger's index takes a function of this size the better part of a second, and a day may have a thousand.
What is counted when the time is over is kept, and the next round goes on there.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.runs import State
from lambdas.common.objects import read_object
from lambdas.common.windows import window_name
from lambdas.run_events.tally import Tally

__all__ = ["Counting"]

log = logging.getLogger("dropbatch")

_Item = Mapping[str, Any]
_Page = list[dict[str, Any]]


class Counting:
    """Counts runs of windows (MAIL items)."""

    def __init__(
        self, *, dynamodb: Any, s3: Any, table: str, bucket: str, minutes: int, clock: ledger.Clock = ledger.utc_now
    ) -> None:
        """`bucket` is the output bucket; drop windows are so many minutes long."""
        self._dynamodb = dynamodb
        self._s3 = s3
        self._table = table
        self._bucket = bucket
        self._minutes = minutes
        self._clock = clock

    def runs(self, window: _Item) -> Iterator[dict[str, Any]]:
        """The runs of a window, one page in memory at a time."""
        for shard in self._shards(window):
            for page in self._pages(window, shard, None):
                yield from self._of(window, page)

    def count(self, window: _Item, *, is_over: Callable[[], bool]) -> Tally | None:
        """All runs of a window that was not told of yet; None when some have not ended, or once the time `is_over`."""
        shards = self._shards(window)
        begin, after, tally = self._read(window)
        for number in range(begin, len(shards)):
            for page in self._pages(window, shards[number], after):
                if is_over():
                    self._put_off(window, number, after, tally)
                    return None
                for run in self._of(window, page):
                    if not State(run["state"]).final:
                        return None
                    if run["run_id"] != window.get("mailed"):
                        tally.add(run)
                if page:
                    after = {name: page[-1][name] for name in ("id", "day", "created_at")}
            after = None
        return tally

    def _of(self, window: _Item, page: _Page) -> Iterator[dict[str, Any]]:
        return (run for run in page if window_name(run, self._minutes) == window["window"])

    def _shards(self, window: _Item) -> list[str]:
        """Where the index has the runs of a window, the latest last; those of a request may have come over days."""
        day, last = datetime.fromisoformat(window["from"]).date(), self._end(window).date()
        found: list[str] = []
        while day <= last:
            found += ledger.day_keys(window["group"], day.isoformat())
            day += timedelta(days=1)
        return found

    def _end(self, window: _Item) -> datetime:
        if window["request"]:
            return max(self._clock(), datetime.fromisoformat(window["from"]))
        return datetime.fromisoformat(window["until"])

    def _pages(self, window: _Item, shard: str, after: Mapping[str, str] | None) -> Iterator[_Page]:
        moments = {":start": window["from"], ":end": ledger.timestamp(self._end(window))}
        for page in self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=ledger.BY_DAY,
            KeyConditionExpression="#day = :day AND created_at BETWEEN :start AND :end",
            ExpressionAttributeNames={"#day": "day"},
            ExpressionAttributeValues=ledger.to_item({":day": shard, **moments}),
            **({"ExclusiveStartKey": ledger.to_item(after)} if after else {}),
        ):
            yield [ledger.from_item(item) for item in page["Items"]]

    def _put_off(self, window: _Item, shard: int, after: Mapping[str, str] | None, tally: Tally) -> None:
        """Keep what was counted, and let the windows that are due have their turn first."""
        body = json.dumps({"shard": shard, "after": after, "tally": tally.to_dict()}, ensure_ascii=False).encode()
        self._s3.put_object(Bucket=self._bucket, Key=_key(window), Body=body, ContentType="application/json")
        log.info("%s: %d runs counted, the next round goes on", window["id"], tally.total)
        self._dynamodb.update_item(
            TableName=self._table,
            Key=ledger.to_item({"id": window["id"]}),
            UpdateExpression="SET updated_at = :now",
            ExpressionAttributeValues=ledger.to_item({":now": ledger.timestamp(self._clock())}),
        )

    def _read(self, window: _Item) -> tuple[int, Mapping[str, str] | None, Tally]:
        """Where to go on, and what was counted up to there."""
        text = read_object(self._s3, self._bucket, _key(window))
        if text is None:
            return 0, None, Tally()
        found = json.loads(text)
        return found["shard"], found["after"], Tally.from_dict(found["tally"])


def _key(window: _Item) -> str:
    return keys.tally_key(hashlib.sha256(window["id"].encode()).hexdigest()[:20])
