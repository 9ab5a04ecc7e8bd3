"""Typed reads and conditional writes of the ledger's DynamoDB table."""

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
    """The ledger table of one deployment."""

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
        """Return the current time as a `timestamp`."""
        return ledger.timestamp(self.clock())

    # --- strongly consistent reads ---------------------------------------------------------------------------------

    def read(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the plain values of items by id; ids without an item are absent.

        Raises:
            LookupError: DynamoDB left some items unread in every try.
        """
        return read_items(self.dynamodb, self.table, ids, sleep=self._sleep)

    def find(self, group: str, run_id: str) -> Run | None:
        """Return a run, or None."""
        return next(iter(self.runs([ledger.run_key(group, run_id)]).values()), None)

    def reread(self, run: Run) -> Run:
        """Return the stored state of a run that was read before.

        Raises:
            LookupError: the run no longer exists.
        """
        return self.runs([run.id])[run.id]

    def runs(self, ids: Iterable[str]) -> dict[str, Run]:
        """Return runs by item id; ids without a run are absent."""
        return {item_id: Run.from_item(item) for item_id, item in self.read(ids).items()}

    def job(self, job_name: str) -> Job | None:
        """Return a job, or None."""
        items = self.read([ledger.job_key(job_name)])
        return next(map(Job.from_item, items.values()), None)

    def pause(self) -> Pause | None:
        """Return the pause flag, or None when the deployment is not paused."""
        items = self.read([ledger.PAUSED])
        return next(map(Pause.from_item, items.values()), None)

    def exhausted_pools(self, pools: Iterable[str]) -> frozenset[str]:
        """Return which of the pools are marked as exhausted."""
        now = self.now()
        flags = self.read(map(ledger.exhausted_key, pools)).values()
        return frozenset(flag.pool for flag in map(ExhaustedPool.from_item, flags) if flag.until > now)

    def query(
        self, index: str, condition: str, values: Mapping[str, Any], **more: Any
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of an index query, as plain values."""
        for page in self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=ledger.to_item(values),
            **more,
        ):
            yield [ledger.from_item(item) for item in page["Items"]]

    # --- writes ----------------------------------------------------------------------------------------------------

    def put(self, item: Mapping[str, Any]) -> None:
        """Write an item; replace an existing one."""
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
        """Update an item; return its new plain values, or None when the condition does not hold."""
        try:
            answer = self.dynamodb.update_item(**{"TableName": self.table, "ReturnValues": "ALL_NEW", **request})
        except self._untrue:
            return None
        return ledger.from_item(answer["Attributes"])

    def change(self, transition: Transition, before: Run, after: Run) -> Run | None:
        """Write one transition; return the updated run, or None when a guard does not hold."""
        item = self.update(**transition.update(self.table, before, after))
        return Run.from_item(item) if item else None

    def write_each(self, wanted: Sequence[_T], entry: Callable[[_T], Entry]) -> list[_T]:
        """Write at most `MAX_ITEMS` items in one transaction; return those that were written.

        Items whose condition does not hold are left out, and the transaction is repeated with the others.

        Raises:
            ClientError: DynamoDB throttled or refused the call. The items may have been written.
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
        """Write entries in one transaction, together with the settlement of a limit (see `lambdas.ledger.settlement`).

        A settlement whose condition does not hold is left out.

        Returns:
            Whether the conditions of the entries held.

        Raises:
            ClientError: DynamoDB throttled or refused the call. The entries may have been written.
        """
        for left in reversed(range(_WRITE_ROUNDS)):
            try:
                self.dynamodb.transact_write_items(TransactItems=[*entries, *([settlement] if settlement else [])])
            except self.dynamodb.exceptions.TransactionCanceledException as error:
                codes = reason_codes(error)
                if "ConditionalCheckFailed" in codes[: len(entries)]:
                    return False
                if "ConditionalCheckFailed" in codes:
                    settlement = None  # the unit of the group's limit has changed
                elif "TransactionConflict" not in codes or not left:
                    raise
                else:
                    # Other transactions are updating the same USAGE and LIMIT items.
                    self._sleep(random.uniform(0.01, 0.1))  # noqa: S311
                continue
            return True
        raise AssertionError("unreachable")


def reason_codes(error: Any) -> list[str]:
    """Return the error code of each entry of a canceled transaction: the text ``None`` for entries without an error."""
    return [reason.get("Code") or "None" for reason in error.response.get("CancellationReasons", [])]
