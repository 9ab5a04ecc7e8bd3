"""Count the runs of a mail window, over several rounds of reconcile if necessary.

Reading one page of the ledger's index takes nearly a second with the function's memory, and a day may have a thousand
pages. When time runs out, the count so far is stored, and the next round continues from there.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.items import Run
from dropbatch.contract.mail_items import MailWindow
from lambdas.common.control_objects import read_object
from lambdas.common.mail_windows import window_name
from lambdas.ledger.table import Ledger
from lambdas.run_events.tally import Tally

__all__ = ["Counting"]

log = logging.getLogger("dropbatch")

_Page = list[dict[str, Any]]


class Counting:
    """Counts the runs of mail windows."""

    def __init__(self, table: Ledger, *, s3: Any, bucket: str, minutes: int) -> None:
        """`bucket` is the output bucket, `minutes` the length of windows of dropped files."""
        self._ledger = table
        self._s3 = s3
        self._bucket = bucket
        self._minutes = minutes

    def runs(self, window: MailWindow) -> Iterator[Run]:
        """Yield the runs of a window, with one page in memory at a time."""
        for shard in self._shards(window):
            for page in self._pages(window, shard, None):
                yield from self._of(window, page)

    def count(self, window: MailWindow, *, is_over: Callable[[], bool]) -> Tally | None:
        """Return the sums over the runs of a window, except for a run that was mailed already.

        Return None when some runs have not ended, or when the time `is_over`.
        """
        shards = self._shards(window)
        begin, after, tally = self._read(window)
        for number in range(begin, len(shards)):
            for page in self._pages(window, shards[number], after):
                if is_over():
                    self._postpone(window, number, after, tally)
                    return None
                for run in self._of(window, page):
                    if not run.state.final:
                        return None
                    if run.run_id != window.mailed:
                        tally.add(run)
                if page:
                    after = {name: page[-1][name] for name in ("id", "day", "created_at")}
            after = None
        return tally

    def _of(self, window: MailWindow, page: _Page) -> Iterator[Run]:
        return (run for run in map(Run.from_item, page) if window_name(run, self._minutes) == window.window)

    def _shards(self, window: MailWindow) -> list[str]:
        """Hash keys in the by-day index of all days of a window, in order; the runs of a request may take days."""
        day, last = datetime.fromisoformat(window.start).date(), self._end(window).date()
        shards: list[str] = []
        while day <= last:
            shards += ledger.day_keys(window.group, day.isoformat())
            day += timedelta(days=1)
        return shards

    def _end(self, window: MailWindow) -> datetime:
        if window.request:
            return max(self._ledger.clock(), datetime.fromisoformat(window.start))
        return datetime.fromisoformat(window.until)

    def _pages(self, window: MailWindow, shard: str, after: Mapping[str, str] | None) -> Iterator[_Page]:
        yield from self._ledger.query(
            ledger.BY_DAY,
            "#day = :day AND created_at BETWEEN :start AND :end",
            {":day": shard, ":start": window.start, ":end": ledger.timestamp(self._end(window))},
            ExpressionAttributeNames={"#day": "day"},
            **({"ExclusiveStartKey": ledger.to_item(after)} if after else {}),
        )

    def _postpone(self, window: MailWindow, shard: int, after: Mapping[str, str] | None, tally: Tally) -> None:
        """Store the count so far, and put the window behind the other windows that are due."""
        body = json.dumps({"shard": shard, "after": after, "tally": tally.to_dict()}, ensure_ascii=False).encode()
        self._s3.put_object(Bucket=self._bucket, Key=_key(window), Body=body, ContentType="application/json")
        log.info("%s: %d runs counted, to be continued in the next round", window.id, tally.total)
        self._ledger.update(
            Key=ledger.to_item({"id": window.id}),
            UpdateExpression="SET updated_at = :now",
            ExpressionAttributeValues=ledger.to_item({":now": self._ledger.now()}),
        )

    def _read(self, window: MailWindow) -> tuple[int, Mapping[str, str] | None, Tally]:
        """Return where to continue (number of the shard, last key read) and the count so far."""
        text = read_object(self._s3, self._bucket, _key(window))
        if text is None:
            return 0, None, Tally()
        stored = json.loads(text)
        return stored["shard"], stored["after"], Tally.from_dict(stored["tally"])


def _key(window: MailWindow) -> str:
    return keys.tally_key(hashlib.sha256(window.id.encode()).hexdigest()[:20])
