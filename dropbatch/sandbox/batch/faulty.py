"""Wrappers that inject faults into a runner and into the delivery of events."""

import json
import threading
from collections.abc import Callable
from typing import Any

from dropbatch.contract import batch_reasons
from dropbatch.sandbox.batch.clock import Clock
from dropbatch.sandbox.batch.faults import Faults
from dropbatch.sandbox.batch.runner import Exit, Runner, Running, StartError, Task

__all__ = ["FaultyDelivery", "FaultyRunner"]

Entry = dict[str, Any]


class FaultyRunner:
    """Runner that injects faults when a container starts."""

    def __init__(self, runner: Runner, faults: Faults, clock: Clock) -> None:
        self._runner = runner
        self._faults = faults
        self._clock = clock
        self._stopped = threading.Event()

    def log_stream(self, task: Task) -> str | None:
        """Return the log stream of a task."""
        return self._runner.log_stream(task)

    def start(self, task: Task) -> Running:
        """Start the container, unless a fault prevents it."""
        queue = task.queue_name
        if slow := self._faults.strikes("slow-start", queue):
            self._stopped.wait(slow.seconds / self._clock.speed)
        if self._faults.strikes("pull-error", queue):
            reason = (
                f"{batch_reasons.IMAGE_NOT_PULLED.example} {task.container.get('image')}: unexpected status "
                "(asked for by a fault of the sandbox)"
            )
            raise StartError(reason=reason, status_reason=reason)
        container = self._runner.start(task)
        return _OutOfMemory(container) if self._faults.strikes("out-of-memory", queue) else container

    def stop(self) -> None:
        """Release all delayed starts."""
        self._stopped.set()


class _OutOfMemory:
    """Container that the kernel kills for its memory use."""

    def __init__(self, container: Running) -> None:
        self._container = container
        container.kill()

    def wait(self) -> Exit:
        """Wait for the end."""
        self._container.wait()
        return Exit(code=batch_reasons.KILLED, reason=batch_reasons.OUT_OF_MEMORY.example)

    def signal_stop(self) -> None:
        """Do nothing: the container is being killed."""

    def kill(self) -> None:
        """It is dying already."""


class FaultyDelivery:
    """Deliver Batch's events, except those that a fault drops, duplicates or delays."""

    def __init__(self, deliver: Callable[[list[Entry]], None], faults: Faults, clock: Clock) -> None:
        self._deliver = deliver
        self._faults = faults
        self._clock = clock
        self._lock = threading.Lock()
        self._late: dict[threading.Timer, Entry] = {}

    def __call__(self, entries: list[Entry]) -> None:
        """Deliver the events that are due."""
        due = [each for entry in entries for each in self._due(entry)]
        if due:
            self._deliver(due)

    def stop(self) -> None:
        """Deliver all delayed events now."""
        with self._lock:
            late, self._late = self._late, {}
        for timer, entry in late.items():
            timer.cancel()
            self._deliver([entry])

    def _due(self, entry: Entry) -> list[Entry]:
        if not self._faults.report():
            return [entry]
        detail = json.loads(entry["Detail"])
        queue, status = str(detail.get("jobQueue", "")).rpartition("/")[2], detail.get("status")
        if self._faults.strikes("drop-events", queue, status):
            return []
        if delay := self._faults.strikes("delay-events", queue, status):
            timer = threading.Timer(delay.seconds / self._clock.speed, lambda: self._deliver_late(timer))
            timer.daemon = True
            with self._lock:
                self._late[timer] = entry
            timer.start()
            return []
        return [entry, entry] if self._faults.strikes("duplicate-events", queue, status) else [entry]

    def _deliver_late(self, timer: threading.Timer) -> None:
        with self._lock:
            entry = self._late.pop(timer, None)
        if entry is not None:
            self._deliver([entry])
