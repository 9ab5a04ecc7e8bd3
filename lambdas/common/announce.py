"""Telling the world: "Run State Change" events on the default event bus."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dropbatch.contract.events import DETAIL_TYPE, SOURCE, run_state_change

__all__ = ["AnnounceError", "announce"]

_BATCH = 10  # entries that one PutEvents takes


class AnnounceError(RuntimeError):
    """EventBridge did not take some events."""


def announce(events: Any, environment: str, runs: Sequence[Mapping[str, Any]]) -> None:
    """Put one event per run, given as RUN items of plain values.

    Raises:
        AnnounceError: some entry was refused; the others are out, so a repetition tells some twice.
    """
    for start in range(0, len(runs), _BATCH):
        entries = [
            {
                "Source": SOURCE,
                "DetailType": DETAIL_TYPE,
                "Detail": json.dumps(run_state_change(environment, run), ensure_ascii=False),
            }
            for run in runs[start : start + _BATCH]
        ]
        answer = events.put_events(Entries=entries)
        if answer.get("FailedEntryCount"):
            reasons = sorted({entry["ErrorMessage"] for entry in answer["Entries"] if entry.get("ErrorMessage")})
            raise AnnounceError(f"{answer['FailedEntryCount']} events refused: {'; '.join(reasons)}")
