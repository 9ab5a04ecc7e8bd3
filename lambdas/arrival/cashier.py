"""Claiming runs of groups that have a limit, and what becomes of those that do not fit."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.limits import words
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.runs import State, order
from lambdas.arrival.admission import Admitted
from lambdas.arrival.claims import claim, put_if_new
from lambdas.arrival.limits import AT_ONCE, Allowance, Over, need_of
from lambdas.arrival.surroundings import Surroundings
from lambdas.common.announce import Announcer
from lambdas.common.batches import chunks
from lambdas.common.limits import holding

__all__ = ["Cashier"]

log = logging.getLogger("dropbatch")

_Item = Mapping[str, Any]
_Change = tuple[_Item, Mapping[str, Any]]


class Cashier:
    """Admits what fits and refuses the rest, with the figures."""

    def __init__(self, around: Surroundings, announcer: Announcer) -> None:
        self._around = around
        self._deployment = around.deployment
        self._announcer = announcer

    def admit(self, items: Sequence[_Item], alike: Admitted) -> list[_Item]:
        """Claim new runs (RUN items) of one group and pipeline, which all ask for what `alike` does.

        Returns:
            The items that were written as runs to be started; the others existed already, or were refused.
        """
        dynamodb, table, group = self._around.dynamodb, self._around.table, alike.run.group
        now = ledger.timestamp(self._around.clock())
        allowance = Allowance(dynamodb, table, group=group, limit=self._deployment.limits[group], month=now[:7])
        need = need_of(self._deployment, group, alike.run.pipeline, alike.overrides)
        held = {"reserved": holding(allowance.limit, allowance.month, need)}
        wanted: list[_Item] = [{**item, **held} for item in items]
        won, over, why = allowance.write(wanted, lambda item: put_if_new(table, item), lambda _: need)
        if why is not None:
            self._refuse(over, why, group, now)
        return won

    def admit_again(
        self, group: str, changes: Sequence[_Change], step: Callable[[_Change], Mapping[str, Any]]
    ) -> tuple[list[_Change], Over | None]:
        """Open further attempts of a group's runs: each change is a RUN item and its new fields.

        `step` makes the entry of TransactItems. Returns what was written, and why the rest was not.
        """
        now = ledger.timestamp(self._around.clock())
        limit = self._deployment.limits[group]
        allowance = Allowance(self._around.dynamodb, self._around.table, group=group, limit=limit, month=now[:7])

        def need(change: _Change) -> int:
            item, _ = change
            return need_of(self._deployment, group, item["pipeline"], Overrides.from_item(item))

        held = [
            (item, {**fields, "reserved": holding(limit, allowance.month, need((item, fields)))})
            for item, fields in changes
        ]
        written: list[_Change] = []
        for part in chunks(held, AT_ONCE):
            some, _, over = allowance.write(part, step, need)
            written += some
            if over is not None:
                _note_for_contacts(self._around, over, group, now)
                return written, over
        return written, None

    def _refuse(self, items: Sequence[_Item], why: Over, group: str, now: str) -> None:
        _note_for_contacts(self._around, why, group, now)
        refused = claim(self._around.dynamodb, self._around.table, [_refused(item, why) for item in items])
        log.warning("%d runs rejected: %s", len(refused), why.reason(group))
        self._announcer.tell(refused)


def _refused(item: _Item, why: Over) -> dict[str, Any]:
    """All that the run would have been is kept, so that it can be tried again without its request or file."""
    return {
        **{name: value for name, value in item.items() if name not in ("reserved", "job_name")},
        "state": State.REJECTED,
        "attempt": 0,
        "order": order(0, State.REJECTED),
        "over_limit": why.month,
        "reason": why.reason(item["group"]),
    }


def _note_for_contacts(around: Surroundings, why: Over, group: str, now: str) -> None:
    """Have the group's contacts told, once a day, that runs were refused."""
    item = {
        "id": ledger.mail_key(group, f"limit-{now[:10]}"),
        "group": group,
        "kind": "limit",
        "month": why.month,
        "limit": words(why.limit.unit, why.limit.amount),
        "remaining": words(why.limit.unit, max(0, why.remaining)),
        "reason": why.reason(group),
        "unfinished": ledger.MAILS,
        "updated_at": now,
    }
    try:
        around.dynamodb.put_item(
            TableName=around.table, Item=ledger.to_item(item), ConditionExpression="attribute_not_exists(id)"
        )
    except around.dynamodb.exceptions.ConditionalCheckFailedException:
        return
