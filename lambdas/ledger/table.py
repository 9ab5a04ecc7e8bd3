"""The ledger's table: items read as types, many at a time, and writes whose conditions decide."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from dropbatch.contract import ledger
from dropbatch.contract.batches import read_items
from dropbatch.contract.items import ExhaustedPool, Job, Pause, Run
from lambdas.ledger.transitions import Transition

__all__ = ["Ledger", "reason_codes"]

_T = TypeVar("_T")
_WRITE_ROUNDS = 12

Entry = Mapping[str, Any]
"""An entry of TransactItems."""


class Ledger:
    """The table of one deployment."""

    def __init__(
        self,
        dynamodb: Any,
        table: str,
        *,
        clock: ledger.Clock = ledger.utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.dynamodb = dynamodb
        self.table = table
        self.clock = clock
        self._sleep = sleep
        self._untrue = dynamodb.exceptions.ConditionalCheckFailedException

    def now(self) -> str:
        """Return the present as a `timestamp`."""
        return ledger.timestamp(self.clock())

    # --- reading: always consistent --------------------------------------------------------------------------------

    def read(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the plain values of items by id; those that do not exist are absent.

        Raises:
            LookupError: DynamoDB left some unread again and again.
        """
        return read_items(self.dynamodb, self.table, ids, sleep=self._sleep)

    def find(self, group: str, run_id: str) -> Run | None:
        """Return a run, or None."""
        return next(iter(self.runs([ledger.run_key(group, run_id)]).values()), None)

    def reread(self, run: Run) -> Run:
        """Return a run as it is now.

        Raises:
            LookupError: it is gone.
        """
        return self.runs([run.id])[run.id]

    def runs(self, ids: Iterable[str]) -> dict[str, Run]:
        """Return runs by id; those that do not exist are absent."""
        return {item_id: Run.from_item(item) for item_id, item in self.read(ids).items()}

    def job(self, job_name: str) -> Job | None:
        """Return a job, or None."""
        found = self.read([ledger.job_key(job_name)])
        return next(map(Job.from_item, found.values()), None)

    def pause(self) -> Pause | None:
        """Return the flag that the deployment is paused, or None."""
        found = self.read([ledger.PAUSED])
        return next(map(Pause.from_item, found.values()), None)

    def exhausted_pools(self, pools: Iterable[str]) -> frozenset[str]:
        """Return those of the pools that have no capacity at present."""
        now = self.now()
        flags = self.read(map(ledger.exhausted_key, pools)).values()
        return frozenset(flag.pool for flag in map(ExhaustedPool.from_item, flags) if flag.until > now)

    def query(
        self, index: str, condition: str, values: Mapping[str, Any], **more: Any
    ) -> Iterator[list[dict[str, Any]]]:
        """Return the pages of a query on an index, in plain values."""
        for page in self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=ledger.to_item(values),
            **more,
        ):
            yield [ledger.from_item(item) for item in page["Items"]]

    # --- writing ---------------------------------------------------------------------------------------------------

    def put(self, item: Mapping[str, Any]) -> None:
        """Write an item, whatever was there."""
        self.dynamodb.put_item(TableName=self.table, Item=ledger.to_item(item))

    def put_new(self, item: Mapping[str, Any]) -> bool:
        """Write an item unless its id exists; return whether it was written."""
        try:
            self.dynamodb.put_item(
                TableName=self.table, Item=ledger.to_item(item), ConditionExpression="attribute_not_exists(id)"
            )
        except self._untrue:
            return False
        return True

    def delete(self, item_id: str) -> None:
        """Delete an item, if it exists."""
        self.dynamodb.delete_item(TableName=self.table, Key=ledger.to_item({"id": item_id}))

    def update(self, **request: Any) -> dict[str, Any] | None:
        """Update an item; return its plain values as they are now, or None when the condition does not hold."""
        try:
            answer = self.dynamodb.update_item(**{"TableName": self.table, "ReturnValues": "ALL_NEW", **request})
        except self._untrue:
            return None
        return ledger.from_item(answer["Attributes"])

    def change(self, transition: Transition, before: Run, after: Run) -> Run | None:
        """Write one transition; return the run as it is now, or None when its guards do not hold."""
        item = self.update(**transition.update(self.table, before, after))
        return Run.from_item(item) if item else None

    def write_each(self, wanted: Sequence[_T], entry: Callable[[_T], Entry]) -> list[_T]:
        """Write, in one transaction, those of at most `MAX_ITEMS` items whose condition holds; return them.

        Those whose condition does not hold are left out and the rest is tried again.

        Raises:
            ClientError: throttled or refused; whether anything was written is not known.
        """
        left = list(wanted)
        while left:
            try:
                self.dynamodb.transact_write_items(TransactItems=[entry(each) for each in left])
            except self.dynamodb.exceptions.TransactionCanceledException as error:
                untrue = [code == "ConditionalCheckFailed" for code in reason_codes(error)]
                if not any(untrue):
                    raise
                left = [each for each, failed in zip(left, untrue, strict=True) if not failed]
                continue
            break
        return left

    def write_settling(self, entries: Sequence[Entry], settlement: Entry | None) -> bool:
        """Write entries in one transaction, with the settlement of a limit if there is one.

        Returns:
            Whether the entries' conditions held. A settlement whose condition does not hold is left out.

        Raises:
            ClientError: throttled or refused; whether anything was written is not known.
        """
        for left in reversed(range(_WRITE_ROUNDS)):
            try:
                self.dynamodb.transact_write_items(TransactItems=[*entries, *([settlement] if settlement else [])])
            except self.dynamodb.exceptions.TransactionCanceledException as error:
                codes = reason_codes(error)
                if "ConditionalCheckFailed" in codes[: len(entries)]:
                    return False
                if "ConditionalCheckFailed" in codes:
                    settlement = None  # the group's limit counts something else by now
                elif "TransactionConflict" not in codes or not left:
                    raise
                else:
                    # Ends of other runs are being counted in the same items.
                    self._sleep(random.uniform(0.01, 0.1))  # noqa: S311
                continue
            return True
        raise AssertionError("unreachable")


def reason_codes(error: Any) -> list[str]:
    """Return the code of each entry of a transaction that was canceled; ``None`` as text for an entry without fault."""
    return [reason.get("Code") or "None" for reason in error.response.get("CancellationReasons", [])]
