"""Admit runs within a group's monthly limit: claim those that fit, and reject the others."""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dropbatch.contract.batches import chunks
from dropbatch.contract.items import Reservation, Run
from dropbatch.contract.limits import format_amount
from dropbatch.contract.mail_items import LimitNotice
from dropbatch.contract.runs import State
from lambdas.arrival.admission import Admitted
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.limits import AT_ONCE, Allowance, Over, need_of
from lambdas.arrival.new_runs import reject
from lambdas.common.publisher import Publisher
from lambdas.ledger.table import Entry
from lambdas.ledger.transitions import CLAIM

__all__ = ["Change", "QuotaAdmission"]

log = logging.getLogger("dropbatch")


class Change(NamedTuple):
    """A run before and after a change."""

    before: Run
    after: Run


class QuotaAdmission:
    """Claims or retries the runs that fit into a limit."""

    def __init__(self, deps: Dependencies, publisher: Publisher) -> None:
        self._deps = deps
        self._ledger = deps.ledger
        self._deployment = deps.deployment
        self._publisher = publisher

    def claim(self, runs: Sequence[Run], example: Admitted) -> list[Run]:
        """Claim new runs. All have the group, pipeline and resources of `example`.

        Returns:
            The claimed runs. The others existed already, or were rejected.
        """
        group = example.run.group
        now = self._ledger.now()
        allowance = Allowance(self._ledger, group=group, limit=self._deployment.limits[group], month=now[:7])
        need = need_of(self._deployment, group, example.run.pipeline, example.overrides)
        reservation = Reservation(allowance.month, allowance.limit.unit, need)
        wanted = [run._replace(reserved=reservation) for run in runs]
        won, over, why = allowance.write(wanted, lambda run: CLAIM.put(self._ledger.table, run), lambda _: need)
        if why is not None:
            self._reject(over, why, group, now)
        return won

    def retry(
        self, group: str, changes: Sequence[Change], entry: Callable[[Change], Entry]
    ) -> tuple[list[Change], Over | None]:
        """Open the next attempts of a group's runs. `entry` makes the entry of TransactItems.

        Returns:
            The changes that were written, and the figures of the first run that does not fit, if any.
        """
        now = self._ledger.now()
        limit = self._deployment.limits[group]
        allowance = Allowance(self._ledger, group=group, limit=limit, month=now[:7])

        def need(change: Change) -> int:
            return need_of(self._deployment, group, change.after.pipeline, change.after.overrides)

        def reserving(change: Change) -> Change:
            reservation = Reservation(allowance.month, limit.unit, need(change))
            return change._replace(after=change.after._replace(reserved=reservation))

        written: list[Change] = []
        for part in chunks(map(reserving, changes), AT_ONCE):
            some, _, over = allowance.write(part, entry, need)
            written += some
            if over is not None:
                self._notify_contacts(over, group, now)
                return written, over
        return written, None

    def _reject(self, runs: Sequence[Run], why: Over, group: str, now: str) -> None:
        self._notify_contacts(why, group, now)
        rejected = reject(self._ledger, [_rejected(run, why) for run in runs])
        log.warning("%d runs rejected: %s", len(rejected), why.reason(group))
        self._publisher.publish(rejected)

    def _notify_contacts(self, why: Over, group: str, now: str) -> None:
        """Schedule a mail to the group's contacts about rejected runs, at most once a day."""
        notice = LimitNotice(
            group=group,
            day=now[:10],
            month=why.month,
            limit=format_amount(why.limit.unit, why.limit.amount),
            remaining=format_amount(why.limit.unit, max(0, why.remaining)),
            reason=why.reason(group),
            updated_at=now,
        )
        self._ledger.put_new(notice.to_item())


def _rejected(run: Run, why: Over) -> Run:
    """The run as rejected. All other fields are kept, so that it can be retried without its request or file."""
    return run._replace(
        state=State.REJECTED,
        attempt=0,
        job_name="",
        reserved=None,
        over_limit=why.month,
        reason=why.reason(run.group),
    )
