"""Count the runs of a mail window: sums over its runs, over several rounds of reconcile if necessary.

Reading one page of the ledger's index takes nearly a second with the function's memory, and a day may have a thousand
pages. When time runs out, the count so far is stored, and the next round continues from there.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.items import Run
from dropbatch.contract.mail_items import MailWindow
from dropbatch.contract.runs import State
from lambdas.common.control_objects import read_object
from lambdas.common.mail import window_name
from lambdas.ledger.table import Ledger

__all__ = ["LISTED", "Counting", "Tally"]

LISTED = 50_000
"""Maximum number of runs in the list of runs that did not succeed."""

_MAX_REASONS = 1000  # number of reasons that are counted separately
_OTHER = "for some other reason"
_FIELDS = ("run_id", "state", "pipeline", "input", "phase", "reason", "exit_code", "attempt")


class Tally:
    """Sums over runs that have ended."""

    def __init__(self) -> None:
        self.first: Run | None = None
        """The first run; all runs have its group and request."""
        self.states: Counter[State] = Counter()
        self.pipelines: set[str] = set()
        self.began = ""
        """Time when the first container started; empty for unknown."""
        self.ended = ""
        """Time when the last container stopped; empty for unknown."""
        self.micro_usd = 0
        self.unknown_cost = 0
        """Number of runs of unknown cost, which is not in the sum."""
        self.ran = False
        """Whether any container ran, or may have run."""
        self.outputs: dict[str, tuple[str, str]] = {}
        """First and last URI of results in alphabetical order, by pipeline."""
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        """Input of one run, by reason."""
        self.failures: list[dict[str, Any]] = []
        """The first `LISTED` runs that did not succeed."""

    @classmethod
    def of(cls, runs: Iterable[Run]) -> "Tally":
        """Return the sums over runs."""
        tally = cls()
        for run in runs:
            tally.add(run)
        return tally

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        first = self.first.to_item() if self.first else None
        return {**vars(self), "first": first, "pipelines": sorted(self.pipelines)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Tally":
        """Read the values that `to_dict` returned."""
        tally = cls()
        vars(tally).update(values)
        tally.first = Run.from_item(values["first"]) if values["first"] else None
        tally.states = Counter({State(name): count for name, count in values["states"].items()})
        tally.pipelines = set(values["pipelines"])
        tally.outputs = {name: (least, greatest) for name, (least, greatest) in values["outputs"].items()}
        tally.reasons = Counter(values["reasons"])
        return tally

    @property
    def total(self) -> int:
        """Number of runs."""
        return self.states.total()

    @property
    def succeeded(self) -> int:
        """Number of runs that succeeded."""
        return self.states[State.SUCCEEDED]

    def add(self, run: Run) -> None:
        """Add a run that has ended."""
        self.first = self.first or run
        self.states[run.state] += 1
        if run.pipeline:
            self.pipelines.add(run.pipeline)
        if run.started_at:
            self.began = min(self.began or run.started_at, run.started_at)
        self.ended = max(self.ended, run.stopped_at)
        usage = run.used
        self.ran = self.ran or usage.vcpu_ms != 0
        self.micro_usd += usage.micro_usd or 0
        self.unknown_cost += usage.micro_usd is None
        if run.state is State.SUCCEEDED:
            least, greatest = self.outputs.get(run.pipeline, (run.output, run.output))
            self.outputs[run.pipeline] = min(least, run.output), max(greatest, run.output)
        else:
            self._add_failure(run)

    def _add_failure(self, run: Run) -> None:
        reason = run.reason or run.state.lower()
        if len(self.reasons) >= _MAX_REASONS and reason not in self.reasons:
            reason = _OTHER
        self.reasons[reason] += 1
        self.examples.setdefault(reason, run.input)
        if len(self.failures) < LISTED:
            item = run.to_item()
            self.failures.append({name: item.get(name) for name in _FIELDS})


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
