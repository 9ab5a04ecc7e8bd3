"""Kill processes of Lambda functions in MiniStack during an invocation."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from dropbatch.sandbox import emulator
from dropbatch.sandbox.batch.errors import ClientError

__all__ = ["Killer"]

_PAUSE_SECONDS = 0.005
_GONE_SECONDS = 5.0


@dataclass
class _Order:
    """A requested kill, and the process that it targets."""

    name: str
    seconds: float
    worker: Any = None
    process: Any = None
    due: float = 0.0

    @property
    def aimed(self) -> bool:
        """Return whether the targeted process still works. If its invocation has ended, the next is targeted."""
        return self.worker is not None and self.worker.in_use and self.process.poll() is None


class Killer:
    """Kill working functions. A request waits for an invocation; two requests need two invocations.

    Cold starts are skipped: if a process dies in one, MiniStack ends all other processes of the function.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: list[_Order] = []
        self._watcher: threading.Thread | None = None
        self._killed: Counter[str] = Counter()
        self._last_starts: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def order(self, name: str, *, seconds: float = 0, times: int = 1) -> None:
        """Send SIGKILL to a function's process `seconds` after its invocation began, `times` times.

        `name` is the function's name or the end of it, such as ``arrival``.
        """
        known = {function for _, _, function in emulator.service("lambda_svc")._functions._data}
        if not any(_means(name, each) for each in known):
            raise ClientError(
                f"kill-function: no function is named {name!r}; there are {', '.join(sorted(known)) or 'none'}"
            )
        with self._lock:
            self._orders += [_Order(name, seconds) for _ in range(times)]
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="kill-functions", daemon=True)
                self._watcher.start()

    def clear(self) -> None:
        """Cancel pending kills."""
        with self._lock:
            self._orders.clear()

    def report(self) -> list[dict[str, Any]]:
        """Return pending kills in the form of active faults."""
        with self._lock:
            orders = Counter((order.name, order.seconds) for order in self._orders)
        return [
            {"fault": "kill-function", "function": name, "seconds": seconds, "times": times}
            for (name, seconds), times in orders.items()
        ]

    def killed(self) -> dict[str, int]:
        """Return the number of kills by function since the sandbox started."""
        with self._lock:
            return dict(self._killed)

    def _watch(self) -> None:
        while True:
            with self._lock:
                if not self._orders:
                    self._watcher = None
                    return
                for order in list(self._orders):
                    self._carry_out(order)
            time.sleep(_PAUSE_SECONDS)

    def _carry_out(self, order: _Order) -> None:
        now = time.monotonic()
        if not order.aimed:
            order.worker = next(self._targets(order.name), None)
            if order.worker is None:
                return
            order.process, order.due = order.worker._proc, now + order.seconds
        if now >= order.due:
            order.process.kill()
            order.process.wait(timeout=_GONE_SECONDS)
            self._killed[order.worker.func_name] += 1
            self._last_starts[order.worker] = order.worker._start_time
            self._orders.remove(order)

    def _targets(self, name: str) -> Iterator[Any]:
        """Return workers of a function with an invocation and a ready process that no request targets yet."""
        runtime = emulator.module("core.lambda_runtime")
        with runtime._lock:
            found = [(key.split(":")[2], worker) for key, workers in runtime._workers.items() for worker in workers]
        taken = {id(other.worker) for other in self._orders if other.aimed}
        for function, worker in found:
            process = worker._proc
            # MiniStack sets the time of the last start when the process is ready.
            ready = worker._start_time not in (None, self._last_starts.get(worker))
            at_work = worker.in_use and ready and process is not None and process.poll() is None
            if _means(name, function) and at_work and id(worker) not in taken:
                yield worker


def _means(name: str, function: str) -> bool:
    return bool(name) and (function == name or function.endswith(f"-{name}"))
