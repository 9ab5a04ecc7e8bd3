"""Reconcile: find runs that no event will advance, and resume them. Idempotent; logs every repair.

However many runs are pending, they are taken in slices, the longest idle first, as far as the function's time allows.
The next round goes on there; after the last slice the next round begins anew.
"""

import heapq
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.items import Run
from lambdas.common.brake import Brake, BrakeError
from lambdas.common.failures import ENOUGH
from lambdas.ledger.table import Ledger
from lambdas.run_events.mails import Mails
from lambdas.run_events.repairs import Repairs
from lambdas.run_events.report import report

__all__ = ["SLICE", "Reconcile", "UnrepairedError"]

log = logging.getLogger("dropbatch")

SLICE = 10_000
"""Runs in memory at a time, some 40 MB; an array job has no more."""

_BEFORE_ALL = "0"  # a timestamp before all others; DynamoDB takes no empty key
_OVER = 0.8  # of the time: then no more runs are counted for a mail


class UnrepairedError(RuntimeError):
    """Some runs could not be repaired. The function fails, so that its alarm goes off; the next round tries again."""


class Reconcile:
    """Repairs the runs of one deployment that fell behind."""

    def __init__(
        self,
        *,
        table: Ledger,
        brake: Brake,
        mails: Mails,
        deployment: Deployment,
        repairs: Callable[[datetime, Callable[[], bool]], Repairs],
        slice_size: int = SLICE,
    ) -> None:
        """`repairs` makes the `Repairs` of one round, given its time and a function that says whether it is over."""
        self._ledger = table
        self._brake = brake
        self._mails = mails
        self._deployment = deployment
        self._repairs = repairs
        self._slice_size = slice_size

    def run(self, *, at: datetime, spent: Callable[[], float] = lambda: 0) -> dict[str, int]:
        """Repair pending runs that have been idle for one lease; return the number of repairs by kind.

        Once half of the function's time is `spent` no more is repaired, so that some is left for mails.

        Raises:
            UnrepairedError: at the end, everything else being done.
        """

        def is_late() -> bool:
            return spent() >= ENOUGH

        repairs = self._repairs(at, is_late)
        paused = self._keep_pause(at, repairs.counts)
        before = ledger.timestamp(at - self._deployment.lease)
        begun = self._cursor()
        left: str | None = None
        for runs in _slices(self._idle(after=begun or _BEFORE_ALL, before=before), self._slice_size):
            if is_late():
                left = runs[0].updated_at
                break
            repairs.reconcile(runs, paused=paused)
            if repairs.cut_short and runs[0].updated_at != begun:
                left = runs[0].updated_at  # once more, with a whole round's time; after that, on with the others
                break
        if left:
            log.warning("reconcile: no time for runs idle since %s: the next round goes on there", left)
        if left != begun:
            self._set_cursor(left)
        self._mails.send_due(at=at, failures=repairs.failures, is_over=lambda: spent() >= _OVER)
        done = {kind: count for kind, count in repairs.counts.items() if count}
        report(self._deployment.environment, done, at=at)
        if failed := sorted(repairs.failures.ids):
            raise UnrepairedError(f"{len(failed)} could not be repaired, such as {failed[0]}: the log says why")
        return done

    def _idle(self, *, after: str, before: str) -> Iterator[Run]:
        """Pending runs that were last written between two `timestamp`s, in that order."""
        shards = [self._idle_of(shard, after, before) for shard in ledger.unfinished_keys()]
        return heapq.merge(*shards, key=lambda run: run.updated_at)

    def _idle_of(self, shard: str, after: str, before: str) -> Iterator[Run]:
        condition = "unfinished = :shard AND updated_at BETWEEN :after AND :before"
        values = {":shard": shard, ":after": after, ":before": before}
        for page in self._ledger.query(ledger.UNFINISHED, condition, values):
            yield from map(Run.from_item, page)

    def _cursor(self) -> str | None:
        """The time at which this round goes on; None to begin anew."""
        item = self._ledger.read([ledger.RECONCILED]).get(ledger.RECONCILED)
        return item["until"] if item else None

    def _set_cursor(self, moment: str | None) -> None:
        """Note where the next round goes on; None: it begins anew."""
        if moment is None:
            self._ledger.delete(ledger.RECONCILED)
        else:
            self._ledger.put({"id": ledger.RECONCILED, "until": moment})

    def _keep_pause(self, at: datetime, repairs: Counter[str]) -> bool:
        """Whether the deployment is paused. If so, pause also the pools made since, or end the pause when it is due."""
        pause = self._ledger.pause()
        if pause is None:
            return False
        month = ledger.timestamp(at)[:7]
        try:
            if self._deployment.auto_resume and pause.by == "budget" and pause.since[:7] < month:
                log.warning("a new month: the pause by the budget ends")
                self._brake.resume()
                repairs["pauses ended"] += 1
                return False
            repairs["pools paused"] += self._brake.hold()
            if pause.stop:
                repairs["jobs stopped"] += self._brake.stop()
            if self._ledger.pause() is None:
                # Resumed at this very moment: the pools that were just disabled must not stay so.
                self._brake.resume()
                return False
        except BrakeError as error:
            log.error("%s", error)
        return True


def _slices(runs: Iterable[Run], size: int) -> Iterator[list[Run]]:
    """Runs in lists of `size`; longer only where runs of one moment would be parted."""
    part: list[Run] = []
    for _, moment in itertools.groupby(runs, key=lambda run: run.updated_at):
        part += moment
        if len(part) >= size:
            yield part
            part = []
    if part:
        yield part
