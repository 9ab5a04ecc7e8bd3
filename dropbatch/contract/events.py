"""The public event "Run State Change" on the default event bus, source ``dropbatch``."""

from typing import Any

from dropbatch.contract.items import Run
from dropbatch.contract.usage import usd

__all__ = ["DETAIL_TYPE", "SOURCE", "VERSION", "run_state_change"]

SOURCE = "dropbatch"
DETAIL_TYPE = "Run State Change"
VERSION = 1

_EARLIER = ("attempt", "pool", "cause", "reason", "job_id", "tries")


def run_state_change(environment: str, run: Run) -> dict[str, Any]:
    """Return the detail of the event about a run's current state.

    ``summary`` is one line for people; the other fields are for programs. The format is defined by
    ``docs/run-state-change.v1.schema.json``; later releases only add fields to a version. Unknown values are null, and
    an unknown cost is the text ``unknown``.
    """
    return {
        "version": VERSION,
        "environment": environment,
        "group": run.group,
        "pipeline": run.pipeline,
        "run_id": run.run_id,
        "attempt": run.attempt,
        "state": run.state,
        "input": run.input,
        "output": run.output,
        "reason": run.reason,
        "summary": _summary(run),
        "request": run.request,
        "parent": run.parent,
        "pool": run.pool,
        "phase": run.phase or None,
        "exit_code": run.exit_code,
        "started_at": run.started_at or None,
        "stopped_at": run.stopped_at or None,
        "vcpu_seconds": run.used.vcpu_seconds,
        "gib_seconds": run.used.gib_seconds,
        "cost_usd": usd(run.used.micro_usd),
        "earlier": [{name: each.get(name) for name in _EARLIER} for each in run.earlier],
        "not_started": list(run.not_started),
        "log_tail": list(run.log_tail),
    }


def _summary(run: Run) -> str:
    attempt = f" attempt {run.attempt}" if run.attempt > 1 else ""
    where = f" -> {run.output}" if run.output else ""
    why = f": {run.reason}" if run.reason else ""
    rest = f"; not started: {', '.join(run.not_started)}" if run.not_started else ""
    return f"{run.state} {run.group}/{run.pipeline} {run.run_id} ({run.input}){attempt}{where}{why}{rest}"
