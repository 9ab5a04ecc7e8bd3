"""Monthly limits of groups: claim the runs that fit, and reject the others.

The transaction that claims runs also reserves the maximum that they may use. When the remaining amount is too small for
all runs of a transaction, as many runs as fit are written.
"""

import itertools
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar

from dropbatch.contract import ledger
from dropbatch.contract.batches import chunks
from dropbatch.contract.deployment import Deployment, Limit
from dropbatch.contract.items import MonthlyLimit, Reservation, Run
from dropbatch.contract.limits import amount_of, format_amount, max_usage
from dropbatch.contract.mail_items import LimitNotice
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.runs import State
from dropbatch.contract.usage import Usage, month_usage
from lambdas.arrival.admission import Admitted
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.new_runs import reject
from lambdas.common.publisher import Publisher
from lambdas.ledger.table import Entry, Ledger, reason_codes
from lambdas.ledger.transitions import CLAIM

__all__ = ["AT_ONCE", "Allowance", "Change", "Over", "QuotaAdmission", "need_of"]

AT_ONCE = 99
"""Runs in one transaction; the LIMIT item is its hundredth entry."""
_ROUNDS = 60
_T = TypeVar("_T")


class Over(NamedTuple):
    """The figures of a run that does not fit into its group's limit."""

    limit: Limit
    month: str
    remaining: int
    need: int
    """Maximum usage of the run."""

    def reason(self, group: str) -> str:
        """Return the reason for rejecting the run, and what people can do."""
        unit = self.limit.unit
        first = date.fromisoformat(f"{self.month}-01")
        following = (first + timedelta(days=31)).replace(day=1)
        return (
            f"over the monthly limit of group {group!r}: {format_amount(unit, self.limit.amount)}, of which "
            f"{format_amount(unit, max(0, self.remaining))} remain for {self.month}, and this run may use "
            f"{format_amount(unit, self.need)}: wait until other runs end, which frees what they did not use, or until "
            f"{following}, or ask an operator for a higher limit; then retry the run"
        )


def need_of(deployment: Deployment, group: str, pipeline: str, overrides: Overrides) -> int:
    """Return the maximum that one try of a run can use, in the unit of its group's limit."""
    about = deployment.pipelines[pipeline]
    pools = (deployment.pools[name] for name in about.pools if name in deployment.pools)
    return max_usage(
        deployment.limits[group].unit,
        vcpus=overrides.vcpus or about.vcpus,
        memory_mib=overrides.memory_mib or about.memory_mib,
        timeout_minutes=overrides.timeout_minutes or about.timeout_minutes,
        prices=[(pool.usd_per_vcpu_hour or 0.0, pool.usd_per_gib_hour or 0.0) for pool in pools],
    )


def _fitting(wanted: Sequence[_T], need: Callable[[_T], int], remaining: int) -> int:
    """Return how many of these, taken in order, fit into the remaining amount."""
    sums = itertools.accumulate(map(need, wanted))
    return sum(1 for _ in itertools.takewhile(lambda taken: taken <= remaining, sums))


class Allowance:
    """The limit of one group for one month."""

    def __init__(
        self, table: Ledger, *, group: str, limit: Limit, month: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """`month` is ``yyyy-mm``."""
        self._ledger = table
        self._group = group
        self.limit = limit
        self.month = month
        self._sleep = sleep
        self._key = ledger.limit_key(group, month)

    def write(
        self, wanted: Sequence[_T], step: Callable[[_T], Mapping[str, Any]], need: Callable[[_T], int]
    ) -> tuple[list[_T], list[_T], Over | None]:
        """Write the items whose condition holds and that fit into the limit, in order; reserve their amounts.

        Args:
            wanted: at most `AT_ONCE` items.
            step: makes the entry of TransactItems for an item.
            need: returns the amount to reserve for an item, in the limit's unit.

        Returns:
            The written items, the items that do not fit, and the figures of the first of these, if any.

        Raises:
            ClientError: DynamoDB throttled or refused the call. The items may have been written.
        """
        left, over, why = list(wanted), list[_T](), None
        for rounds_left in reversed(range(_ROUNDS)):
            if not left:
                break
            steps = [*map(step, left), self._take(sum(map(need, left)))]
            try:
                self._ledger.dynamodb.transact_write_items(TransactItems=steps)
                return left, over, why
            except self._ledger.dynamodb.exceptions.TransactionCanceledException as error:
                reasons = reason_codes(error)
                untrue = [code == "ConditionalCheckFailed" for code in reasons]
                if not any(untrue):
                    if "TransactionConflict" not in reasons or not rounds_left:
                        raise
                    # Other transactions are changing the same LIMIT item.
                    self._sleep(random.uniform(0.005, 0.05))  # noqa: S311
                    continue
                left = [each for each, failed in zip(left, untrue, strict=False) if not failed]
                if not left or not untrue[-1]:
                    continue
            remaining = self._remaining()
            if remaining is not None and remaining < sum(map(need, left)):
                fit = _fitting(left, need, remaining)
                why = Over(self.limit, self.month, remaining - sum(map(need, left[:fit])), need(left[fit]))
                left, more = left[:fit], left[fit:]
                over += more
        if left:
            raise LookupError(f"the limit of group {self._group} is being changed by too many transactions at once")
        return [], over, why

    def _take(self, amount: int) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._ledger.table,
                "Key": ledger.to_item({"id": self._key}),
                "UpdateExpression": "ADD remaining :less",
                "ConditionExpression": "remaining >= :sum AND #limit = :limit AND #unit = :unit",
                "ExpressionAttributeNames": {"#limit": "limit", "#unit": "unit"},
                "ExpressionAttributeValues": ledger.to_item(
                    {":less": -amount, ":sum": amount, ":limit": self.limit.amount, ":unit": self.limit.unit}
                ),
            }
        }

    def _remaining(self) -> int | None:
        """The remaining amount; None when the LIMIT item was just created or adjusted and must be read again."""
        item = self._ledger.read([self._key]).get(self._key)
        stored = MonthlyLimit.from_item(item) if item else None
        if stored is None:
            amount = self.limit.amount
            new = MonthlyLimit(self._group, self.month, self.limit.unit, limit=amount, remaining=amount)
            self._ledger.put_new(new.to_item())
        elif stored.unit != self.limit.unit:
            self._count_anew(stored)
        elif stored.limit != self.limit.amount:
            self._raise_or_lower(stored)
        else:
            return stored.remaining
        return None

    def _raise_or_lower(self, stored: MonthlyLimit) -> None:
        """Apply a limit that was changed within the month; the used amount stays the same."""
        self._update(
            stored,
            "SET #limit = :limit ADD remaining :more",
            {":limit": self.limit.amount, ":more": self.limit.amount - stored.limit},
        )

    def _count_anew(self, stored: MonthlyLimit) -> None:
        """Apply a limit whose unit was changed: subtract the usage of the month's ended attempts in the new unit."""
        months = self._ledger.read(ledger.usage_keys(self._group, self.month)).values()
        used = 0
        for each in month_usage(months).values():
            usage = Usage(vcpu_ms=each.vcpu_ms, mib_ms=each.mib_ms, micro_usd=each.micro_usd)
            used += amount_of(self.limit.unit, usage) or 0
        self._update(
            stored,
            "SET #limit = :limit, #unit = :unit, remaining = :rest",
            {":limit": self.limit.amount, ":unit": self.limit.unit, ":rest": self.limit.amount - used},
        )

    def _update(self, stored: MonthlyLimit, expression: str, values: Mapping[str, Any]) -> None:
        """Update the LIMIT item unless another invocation has changed it."""
        self._ledger.update(
            Key=ledger.to_item({"id": self._key}),
            UpdateExpression=expression,
            ConditionExpression="#limit = :was AND #unit = :of",
            ExpressionAttributeNames={"#limit": "limit", "#unit": "unit"},
            ExpressionAttributeValues=ledger.to_item({**values, ":was": stored.limit, ":of": stored.unit}),
        )


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
