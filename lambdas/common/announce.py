"""Telling the world: "Run State Change" events on the default event bus."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.events import DETAIL_TYPE, SOURCE, run_state_change
from dropbatch.contract.runs import State
from lambdas.common.batches import AnnounceError

__all__ = ["Announcer"]

# What one PutEvents takes: so many entries, of 256 KB together with the fields around each detail.
_BATCH = 10
_BYTES = 250_000

_Run = Mapping[str, Any]


class Announcer:
    """Tells of runs; a run in a final state stays in the index of the unfinished until it was told of."""

    def __init__(self, *, events: Any, dynamodb: Any, table: str, environment: str) -> None:
        self._events = events
        self._dynamodb = dynamodb
        self._table = table
        self._environment = environment

    def tell(self, runs: Sequence[_Run]) -> None:
        """Put one event per run, given as RUN items of plain values.

        Dying in between means telling again later: nobody is left untold, some may hear it twice.

        Raises:
            AnnounceError: some entry was refused.
        """
        for part in self._parts(runs):
            self._put([detail for _, detail in part])
            for run, _ in part:
                if State(run["state"]).final:
                    self._settle(run)

    def _parts(self, runs: Sequence[_Run]) -> Iterator[list[tuple[_Run, str]]]:
        """Runs, each with the event's detail, as many together as one call takes."""
        part: list[tuple[_Run, str]] = []
        size = 0
        for run in runs:
            detail = json.dumps(run_state_change(self._environment, run), ensure_ascii=False)
            length = len(detail.encode())
            if part and (len(part) == _BATCH or size + length > _BYTES):
                yield part
                part, size = [], 0
            part.append((run, detail))
            size += length
        if part:
            yield part

    def _put(self, details: Sequence[str]) -> None:
        entries = [{"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": detail} for detail in details]
        answer = self._events.put_events(Entries=entries)
        if answer.get("FailedEntryCount"):
            reasons = sorted({entry["ErrorMessage"] for entry in answer["Entries"] if entry.get("ErrorMessage")})
            raise AnnounceError(f"{answer['FailedEntryCount']} events refused: {'; '.join(reasons)}")

    def _settle(self, run: _Run) -> None:
        moved_on = self._dynamodb.exceptions.ConditionalCheckFailedException
        with suppress(moved_on):  # to another attempt, which will be told of in its turn
            self._dynamodb.update_item(
                TableName=self._table,
                Key=ledger.to_item({"id": run["id"]}),
                UpdateExpression="REMOVE unfinished",
                ConditionExpression="#order = :order",
                ExpressionAttributeNames={"#order": "order"},
                ExpressionAttributeValues=ledger.to_item({":order": run["order"]}),
            )
