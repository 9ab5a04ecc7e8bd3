"""Send job state changes to EventBridge in order, each once, from a separate thread."""

import json
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from dropbatch.sandbox import emulator

__all__ = ["EventSender", "put_on_event_bus"]

_log = logging.getLogger(__name__)
_MOST_PER_CALL = 10
_REMEMBERED = 200

Entry = dict[str, Any]


class EventSender:
    """Thread that delivers events one at a time."""

    def __init__(self, deliver: Callable[[list[Entry]], None]) -> None:
        self._deliver = deliver
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="batch-events", daemon=True)

    def start(self) -> None:
        """Start delivery."""
        self._thread.start()

    def stop(self) -> None:
        """Deliver the waiting events, then stop."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def send(self, detail_type: str, resource_arns: list[str], detail: dict[str, Any]) -> None:
        """Queue one event from ``aws.batch``."""
        self._queue.put(
            {
                "Source": "aws.batch",
                "DetailType": detail_type,
                "Resources": resource_arns,
                "Detail": json.dumps(detail),
                "EventBusName": "default",
            }
        )

    def _run(self) -> None:
        ending = False
        while not ending:
            entries: list[Entry] = []
            entry = self._queue.get()
            while entry is not None:
                entries.append(entry)
                if len(entries) == _MOST_PER_CALL or self._queue.empty():
                    break
                entry = self._queue.get()
            ending = entry is None
            if entries:
                try:
                    self._deliver(entries)
                except Exception:
                    _log.exception("events lost: %s", [each["DetailType"] for each in entries])


def put_on_event_bus(region: str) -> Callable[[list[Entry]], None]:
    """Deliver an event by MiniStack's emitter: unlike PutEvents, it accepts sources that begin with ``aws.``."""
    eventbridge = emulator.service("eventbridge")

    def deliver(entries: list[Entry]) -> None:
        with emulator.request_scope(region):
            eventbridge._put_events({"Entries": entries}, allow_aws_source=True)
            # MiniStack keeps every event forever; a large array job would fill the memory.
            log = eventbridge._events_log_list()
            del log[:-_REMEMBERED]

    return deliver
