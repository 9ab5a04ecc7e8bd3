"""Faults that a user injects into Batch, with their remaining uses. A restart clears them."""

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.model import Status

__all__ = ["KINDS", "Fault", "Faults", "Kind"]

_ANY = 0
_AT_ONCE = ("reclaim", "kill-function")  # known to the control endpoint, not set here


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of fault. `members` are the settings it accepts besides `times`."""

    what: str
    members: tuple[str, ...] = ()
    times: int | None = None
    """How often it strikes unless told otherwise; 0: until cleared; none: it cannot be counted."""
    seconds: float = 0
    rate: float = 0


KINDS: dict[str, Kind] = {
    "no-capacity": Kind(what="no job of the queue is placed: Batch gets no instances", members=("queue",)),
    "pull-error": Kind(what="the image of a job cannot be pulled", members=("queue",), times=1),
    "out-of-memory": Kind(what="a job is killed for its memory use as soon as it runs", members=("queue",), times=1),
    "slow-start": Kind(what="a job stays STARTING for so long", members=("queue", "seconds"), times=_ANY, seconds=60),
    "throttle": Kind(what="SubmitJob is limited to so many a second", members=("rate",), rate=50),
    "lost-answer": Kind(what="SubmitJob is applied, but its answer never arrives", times=1),
    "list-lag": Kind(what="ListJobs does not know jobs younger than this", members=("seconds",), seconds=60),
    "drop-events": Kind(what="a job's event is lost", members=("queue", "status"), times=1),
    "duplicate-events": Kind(what="a job's event comes twice", members=("queue", "status"), times=1),
    "delay-events": Kind(
        what="a job's event comes so much later", members=("queue", "status", "seconds"), times=1, seconds=60
    ),
}


@dataclass(kw_only=True)
class Fault:
    """An active fault. `queue` is a queue's name or the end of it (``spot``); None means every queue."""

    fault: str
    queue: str | None = None
    status: str | None = None
    seconds: float = 0
    rate: float = 0
    times: int | None = None

    def meets(self, queue: str | None, status: str | None) -> bool:
        """Return whether the fault applies to this queue and job state."""
        here = self.queue is None or (queue is not None and (queue == self.queue or queue.endswith(f"-{self.queue}")))
        return here and self.status in {None, status}


class Faults:
    """Active faults. A new fault replaces one of the same kind, queue and state."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: list[Fault] = []
        self._allowance: tuple[float, float] | None = None

    def put(self, request: Mapping[str, Any]) -> Fault:
        """Set a fault, given as ``{"fault": kind, …}`` with the kind's settings."""
        fault = _parsed(request)
        with self._lock:
            self._set = [each for each in self._set if _place(each) != _place(fault)] + [fault]
            self._allowance = None
        return fault

    def clear(self, kind: str | None = None) -> None:
        """Clear the faults of one kind, or all."""
        with self._lock:
            self._set = [each for each in self._set if kind not in {None, each.fault}]

    def report(self) -> list[dict[str, Any]]:
        """Return the active faults, without unset settings."""
        with self._lock:
            return [{key: value for key, value in asdict(each).items() if value} for each in self._set]

    def holds(self, kind: str, queue: str | None = None) -> Fault | None:
        """Return an active fault of this kind, without counting a use."""
        with self._lock:
            return self._find(kind, queue, None)

    def strikes(self, kind: str, queue: str | None = None, status: str | None = None) -> Fault | None:
        """Return an active fault of this kind, and count one use."""
        with self._lock:
            fault = self._find(kind, queue, status)
            if fault and fault.times:
                fault.times -= 1
                if not fault.times:
                    self._set.remove(fault)
            return fault

    def throttled(self) -> bool:
        """Return whether to throttle this SubmitJob. As on AWS, bursts of one second's rate pass. Uses real time."""
        with self._lock:
            fault = self._find("throttle", None, None)
            if fault is None:
                return False
            now = time.monotonic()
            left, then = self._allowance or (fault.rate, now)
            left = min(fault.rate, left + (now - then) * fault.rate)
            self._allowance = (left - 1, now) if left >= 1 else (left, now)
            return left < 1

    def _find(self, kind: str, queue: str | None, status: str | None) -> Fault | None:
        if not self._set:
            return None
        return next((each for each in self._set if each.fault == kind and each.meets(queue, status)), None)


def _place(fault: Fault) -> tuple[str, str | None, str | None]:
    return fault.fault, fault.queue, fault.status


def _parsed(request: Mapping[str, Any]) -> Fault:
    name = str(request.get("fault"))
    kind = KINDS.get(name)
    if kind is None:
        raise ClientError(f"fault: one of {', '.join([*KINDS, *_AT_ONCE])}, got {name!r}")
    allowed = {"fault", *kind.members} | ({"times"} if kind.times is not None else set())
    given = {key: value for key, value in request.items() if value is not None}
    if unknown := sorted(given.keys() - allowed):
        raise ClientError(f"{name} takes {', '.join(sorted(allowed - {'fault'})) or 'no settings'}, got {unknown[0]}")
    if given.get("status") not in {None, *map(str, Status)}:
        raise ClientError(f"{name}: status is one of {', '.join(Status)}, got {given['status']!r}")
    try:
        return Fault(
            fault=name,
            queue=given.get("queue"),
            status=given.get("status"),
            seconds=_number(given, "seconds", kind.seconds),
            rate=_number(given, "rate", kind.rate),
            times=int(given.get("times", kind.times)) if kind.times is not None else None,
        )
    except (TypeError, ValueError):
        raise ClientError(f"{name}: seconds, rate and times are numbers") from None


def _number(given: Mapping[str, Any], member: str, default: float) -> float:
    value = float(given.get(member, default))
    if value < 0 or (member == "rate" and default and value < 1):
        raise ClientError(f"{member}: must be {'at least 1' if member == 'rate' else '0 or more'}, got {value:g}")
    return value
