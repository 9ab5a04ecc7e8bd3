"""Reconcile: what no event will ever move again is found and set going. Idempotent; says what it repaired.

However many runs are unfinished, they are looked at in slices, the longest untouched first, as far as the function's
time allows. The next round goes on there; when it comes to the end, the one after begins anew.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from lambdas.common.batches import ENOUGH
from lambdas.common.brake import Brake, BrakeError
from lambdas.run_events.book import Book
from lambdas.run_events.mails import Mails
from lambdas.run_events.repairs import Repairs
from lambdas.run_events.report import report

__all__ = ["SLICE", "Reconcile", "UnrepairedError"]

log = logging.getLogger("dropbatch")

_Item = Mapping[str, Any]

SLICE = 10_000
"""Runs in memory at a time, some 40 MB; an array job has no more."""


_OVER = 0.8  # of the time: then no more of a mail's runs are counted


class UnrepairedError(RuntimeError):
    """Some runs could not be seen to. The function fails, so that operators hear of it; the next round tries again."""


class Reconcile:
    """Repairs the runs of one deployment that fell behind."""

    def __init__(
        self,
        *,
        book: Book,
        brake: Brake,
        mails: Mails,
        deployment: Deployment,
        repairs: Callable[[datetime, Callable[[], bool]], Repairs],
        slice_size: int = SLICE,
    ) -> None:
        """`repairs` makes the `Repairs` of one round, given its moment and what says that its time is over."""
        self._book = book
        self._brake = brake
        self._mails = mails
        self._deployment = deployment
        self._repairs = repairs
        self._slice_size = slice_size

    def run(self, *, at: datetime, spent: Callable[[], float] = lambda: 0) -> dict[str, int]:
        """Look at unfinished runs that nothing touched for a lease's time; returns repairs by kind.

        Once half of the function's time is `spent` no more is repaired, so that there is some for mails.

        Raises:
            UnrepairedError: at the end, everything else being done.
        """

        def is_late() -> bool:
            return spent() >= ENOUGH

        repairs = self._repairs(at, is_late)
        paused = self._keep_pause(at, repairs.counts)
        before = ledger.timestamp(at - self._deployment.lease)
        begun = self._book.bookmark()
        left: str | None = None
        for items in _slices(self._book.unfinished(after=begun, before=before), self._slice_size):
            if is_late():
                left = items[0]["updated_at"]
                break
            repairs.see_to(items, paused=paused)
            if repairs.cut_short and items[0]["updated_at"] != begun:
                left = items[0]["updated_at"]  # once more, with a whole round's time; after that, on with the others
                break
        if left:
            log.warning("reconcile: no time for runs untouched since %s: the next round goes on there", left)
        if left != begun:
            self._book.set_bookmark(left)
        self._mails.send_due(at=at, failures=repairs.failures, is_over=lambda: spent() >= _OVER)
        done = {kind: count for kind, count in repairs.counts.items() if count}
        report(self._deployment.environment, done, at=at)
        if failed := sorted(repairs.failures.ids):
            raise UnrepairedError(f"{len(failed)} could not be seen to, such as {failed[0]}: the log says why")
        return done

    def _keep_pause(self, at: datetime, repairs: Counter[str]) -> bool:
        """Whether the deployment is paused. If so: what was created since is paused as well, or the pause ends."""
        flag = self._book.paused()
        if flag is None:
            return False
        month = ledger.timestamp(at)[:7]
        try:
            if self._deployment.auto_resume and flag.get("by") == "budget" and flag["since"][:7] < month:
                log.warning("a new month: the pause by the budget ends")
                self._brake.resume()
                repairs["pauses ended"] += 1
                return False
            repairs["pools paused"] += self._brake.hold()
            if flag.get("stop"):
                repairs["jobs stopped"] += self._brake.stop()
            if self._book.paused() is None:
                # Resumed in this very moment: what was disabled here must not stay so.
                self._brake.resume()
                return False
        except BrakeError as error:
            log.error("%s", error)
        return True


def _slices(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Items in lists of `size`, and more only so that none is parted from others of the same moment."""
    found: list[_Item] = []
    for _, moment in itertools.groupby(items, key=lambda item: item["updated_at"]):
        found += moment
        if len(found) >= size:
            yield found
            found = []
    if found:
        yield found
