"""Publish "Run State Change" events on the default event bus."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from dropbatch.contract.events import DETAIL_TYPE, SOURCE, run_state_change
from dropbatch.contract.items import Run
from lambdas.common.failures import PublishError
from lambdas.ledger.table import Ledger
from lambdas.ledger.transitions import PUBLISHED

__all__ = ["Publisher"]

# A PutEvents call takes ten entries of 256 KB together, including the fields around each detail.
_BATCH = 10
_BYTES = 250_000


class Publisher:
    """Publishes states of runs. A run that has ended stays in the index of pending runs until it was published."""

    def __init__(self, table: Ledger, *, events: Any, environment: str) -> None:
        """`events` is a client of EventBridge."""
        self._ledger = table
        self._events = events
        self._environment = environment

    def publish(self, runs: Sequence[Run]) -> None:
        """Publish one event for each run.

        If the function is stopped meanwhile, some events are published twice, but none is lost.

        Raises:
            PublishError: EventBridge refused some events.
        """
        for part in self._parts(runs):
            self._put([detail for _, detail in part])
            for run, _ in part:
                if run.state.final:
                    # Has no effect when the run is at another attempt by now.
                    self._ledger.change(PUBLISHED, run, run._replace(pending=False))

    def _parts(self, runs: Sequence[Run]) -> Iterator[list[tuple[Run, str]]]:
        """Runs and their event details, in batches that fit into one call."""
        part: list[tuple[Run, str]] = []
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
            raise PublishError(f"{answer['FailedEntryCount']} events refused: {'; '.join(reasons)}")
