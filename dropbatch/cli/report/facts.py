"""Facts about one run, from its ledger item and its record. Pure. Unknown values are None, never 0."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from dropbatch.cli.runs import Run
from dropbatch.contract.runs import State
from dropbatch.contract.usage import Usage

__all__ = ["Fact", "fact_of"]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One run. Times are ISO-8601 in UTC, durations are in seconds."""

    run_id: str
    name: str
    pipeline: str
    pool: str
    """Pool of the last attempt; empty when there was none."""
    state: State
    reason: str
    created_at: str
    wait_seconds: float | None
    """From the drop to the start of its container."""
    start_seconds: float | None
    """From the start of the container to the start of the runtime; known once there is a record."""
    run_seconds: float | None
    """From the start of the runtime to the end of the container."""
    memory_asked_mib: float | None
    memory_used_mib: float | None
    """Peak memory, from the record."""
    usd: float | None

    @property
    def total_seconds(self) -> float:
        """Sum of the known durations."""
        return (self.wait_seconds or 0) + (self.start_seconds or 0) + (self.run_seconds or 0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def fact_of(run: Run, record: Mapping[str, Any] | None) -> Fact:
    """Return the facts from a run's ledger item and record."""
    started, stopped = _moment(run.started_at), _moment(run.stopped_at)
    begun = _moment(record.get("started_at")) if record and record.get("attempt") == run.attempt else None
    if begun is None or started is None or begun < started:
        begun = started
    usage = Usage.from_item(run.item)
    return Fact(
        run_id=run.run_id,
        name=run.name,
        pipeline=run.pipeline,
        pool=run.item.get("pool", "") if run.attempt else "",
        state=run.state,
        reason=run.reason,
        created_at=run.created_at,
        wait_seconds=_between(_moment(run.created_at), started),
        start_seconds=_between(started, begun) if record else None,
        run_seconds=_between(begun, stopped),
        memory_asked_mib=_asked(run, usage, started, stopped),
        memory_used_mib=record.get("peak_memory_mib") if record else None,
        usd=usage.micro_usd / 1e6 if "usage" in run.item and usage.micro_usd is not None else None,
    )


def _asked(run: Run, usage: Usage, started: datetime | None, stopped: datetime | None) -> float | None:
    """Return the MiB that the job requested, computed from its usage; None if it had more than one try."""
    seconds = _between(started, stopped)
    if not seconds or usage.mib_ms is None or run.attempt != 1 or run.item.get("tries", 1) != 1:
        return None
    return round(usage.mib_ms / 1000 / seconds)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _between(first: datetime | None, last: datetime | None) -> float | None:
    return None if first is None or last is None else max((last - first).total_seconds(), 0.0)
