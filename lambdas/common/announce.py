"""Telling the world: "Run State Change" events on the default event bus."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.events import DETAIL_TYPE, SOURCE, run_state_change
from dropbatch.contract.runs import State
from lambdas.common.batches import AnnounceError

__all__ = ["Announcer"]

_BATCH = 10  # entries that one PutEvents takes


class Announcer:
    """Tells of runs; a run in a final state stays in the index of the unfinished until it was told of."""

    def __init__(self, *, events: Any, dynamodb: Any, table: str, environment: str) -> None:
        self._events = events
        self._dynamodb = dynamodb
        self._table = table
        self._environment = environment

    def tell(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """Put one event per run, given as RUN items of plain values.

        Dying in between means telling again later: nobody is left untold, some may hear it twice.

        Raises:
            AnnounceError: some entry was refused.
        """
        for start in range(0, len(runs), _BATCH):
            part = runs[start : start + _BATCH]
            self._put(part)
            for run in part:
                if State(run["state"]).final:
                    self._settle(run)

    def _put(self, runs: Sequence[Mapping[str, Any]]) -> None:
        entries = [
            {
                "Source": SOURCE,
                "DetailType": DETAIL_TYPE,
                "Detail": json.dumps(run_state_change(self._environment, run), ensure_ascii=False),
            }
            for run in runs
        ]
        answer = self._events.put_events(Entries=entries)
        if answer.get("FailedEntryCount"):
            reasons = sorted({entry["ErrorMessage"] for entry in answer["Entries"] if entry.get("ErrorMessage")})
            raise AnnounceError(f"{answer['FailedEntryCount']} events refused: {'; '.join(reasons)}")

    def _settle(self, run: Mapping[str, Any]) -> None:
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
