"""Reconcile: find runs that no event will advance, and resume them. Idempotent; logs every repair.

Pending runs are processed in slices, those that were idle longest first, until the function's time is nearly over. The
next round continues with the following slice, and starts from the beginning after the last one.
"""

import heapq
import itertools
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.items import Run
from dropbatch.contract.metrics import REPAIRED, embedded
from lambdas.common.brake import Brake, BrakeError
from lambdas.common.failures import ENOUGH
from lambdas.ledger.table import Ledger
from lambdas.run_events.mails import Mails
from lambdas.run_events.repairs import Repairs

__all__ = ["SLICE", "Reconcile", "UnrepairedError"]

log = logging.getLogger("dropbatch")

SLICE = 10_000
"""Number of runs in memory at a time (about 40 MB); equals the maximum size of an array job."""

_BEFORE_ALL = "0"  # sorts before all timestamps; DynamoDB keys cannot be empty
_OVER = 0.8  # share of the invocation's time after which no more runs are counted for mails


class UnrepairedError(RuntimeError):
    """Some runs could not be repaired. The function fails, which triggers its alarm; the next round tries again."""


class Reconcile:
    """Repairs the idle runs of a deployment, renews its pause, and sends mails that are due."""

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
        """`repairs` creates the `Repairs` of a round from its time and a function that says whether time is over."""
        self._ledger = table
        self._brake = brake
        self._mails = mails
        self._deployment = deployment
        self._repairs = repairs
        self._slice_size = slice_size

    def run(self, *, at: datetime, spent: Callable[[], float] = lambda: 0) -> dict[str, int]:
        """Repair pending runs that have been idle for one lease; return the number of repairs by kind.

        Once half of the invocation's time is `spent`, no more runs are repaired; the rest is for mails.

        Raises:
            UnrepairedError: some runs could not be repaired; raised after everything else was done.
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
                # The next round repeats this slice, with all of its time; the round after that continues behind it.
                left = runs[0].updated_at
                break
        if left:
            log.warning("reconcile: no time for runs idle since %s, the next round continues there", left)
        if left != begun:
            self._set_cursor(left)
        self._mails.send_due(at=at, failures=repairs.failures, is_over=lambda: spent() >= _OVER)
        done = {kind: count for kind, count in repairs.counts.items() if count}
        _report(self._deployment.environment, done, at=at)
        if failed := sorted(repairs.failures.ids):
            raise UnrepairedError(f"{len(failed)} could not be repaired, for example {failed[0]}: see the log")
        return done

    def _idle(self, *, after: str, before: str) -> Iterator[Run]:
        """Pending runs that were last written between two `timestamp`s, oldest first."""
        shards = [self._idle_of(shard, after, before) for shard in ledger.unfinished_keys()]
        return heapq.merge(*shards, key=lambda run: run.updated_at)

    def _idle_of(self, shard: str, after: str, before: str) -> Iterator[Run]:
        condition = "unfinished = :shard AND updated_at BETWEEN :after AND :before"
        values = {":shard": shard, ":after": after, ":before": before}
        for page in self._ledger.query(ledger.UNFINISHED, condition, values):
            yield from map(Run.from_item, page)

    def _cursor(self) -> str | None:
        """The time where this round continues; None to start from the beginning."""
        item = self._ledger.read([ledger.RECONCILED]).get(ledger.RECONCILED)
        return item["until"] if item else None

    def _set_cursor(self, time: str | None) -> None:
        """Store where the next round continues; None to start from the beginning."""
        if time is None:
            self._ledger.delete(ledger.RECONCILED)
        else:
            self._ledger.put({"id": ledger.RECONCILED, "until": time})

    def _keep_pause(self, at: datetime, repairs: Counter[str]) -> bool:
        """Return whether the deployment is paused. If so, also pause new pools, or end a pause by the budget."""
        pause = self._ledger.pause()
        if pause is None:
            return False
        month = ledger.timestamp(at)[:7]
        try:
            if self._deployment.auto_resume and pause.by == "budget" and pause.since[:7] < month:
                log.warning("a new month has begun: the pause by the budget ends")
                self._brake.resume()
                repairs["pauses ended"] += 1
                return False
            repairs["pools paused"] += self._brake.hold()
            if pause.stop:
                repairs["jobs stopped"] += self._brake.stop()
            if self._ledger.pause() is None:
                # Somebody resumed meanwhile: enable the pools that were just disabled.
                self._brake.resume()
                return False
        except BrakeError as error:
            log.error("%s", error)
        return True


def _slices(runs: Iterable[Run], size: int) -> Iterator[list[Run]]:
    """Runs in lists of at least `size`; runs with the same time are never separated."""
    part: list[Run] = []
    for _, same_time in itertools.groupby(runs, key=lambda run: run.updated_at):
        part += same_time
        if len(part) >= size:
            yield part
            part = []
    if part:
        yield part


def _report(environment: str, repairs: Mapping[str, int], *, at: datetime) -> None:
    """Log the number of repairs by kind, and write their sum as the metric ``Repaired``."""
    log.info("reconcile: %s", dict(repairs) or "nothing to repair")
    fields = {"kinds": dict(repairs)}
    print(json.dumps(embedded(REPAIRED, sum(repairs.values()), environment=environment, at=at, fields=fields)))
