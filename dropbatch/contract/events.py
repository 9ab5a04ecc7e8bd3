"""The public event "Run State Change" on the default event bus, source ``dropbatch``."""

from collections.abc import Mapping
from typing import Any

from dropbatch.contract.usage import Usage, usd

__all__ = ["DETAIL_TYPE", "SOURCE", "VERSION", "run_state_change"]

SOURCE = "dropbatch"
DETAIL_TYPE = "Run State Change"
VERSION = 1


def run_state_change(environment: str, run: Mapping[str, Any]) -> dict[str, Any]:
    """Detail of the event, from a RUN item of the ledger (plain values).

    ``summary`` is one line for people; the other fields are for programs. The contract is
    ``docs/run-state-change.v1.schema.json``: within a version fields are only ever added. What is not known is null,
    and a cost that is not known is the text ``unknown``.
    """
    usage = Usage.from_item(run)
    return {
        "version": VERSION,
        "environment": environment,
        "group": run.get("group", ""),
        "pipeline": run.get("pipeline", ""),
        "run_id": run["run_id"],
        "attempt": run.get("attempt", 0),
        "state": run["state"],
        "input": run.get("input", ""),
        "output": run.get("output", ""),
        "reason": run.get("reason", ""),
        "summary": _summary(run),
        "request": run.get("request", ""),
        "parent": run.get("parent", ""),
        "pool": run.get("pool", ""),
        "phase": run.get("phase"),
        "exit_code": run.get("exit_code"),
        "started_at": run.get("started_at"),
        "stopped_at": run.get("stopped_at"),
        "vcpu_seconds": usage.vcpu_seconds,
        "gib_seconds": usage.gib_seconds,
        "cost_usd": usd(usage.micro_usd),
        "earlier": [
            {name: each.get(name) for name in ("attempt", "pool", "cause", "reason", "job_id", "tries")}
            for each in run.get("earlier", ())
        ],
        "not_started": list(run.get("not_started", ())),
        "log_tail": list(run.get("log_tail", ())),
    }


def _summary(run: Mapping[str, Any]) -> str:
    name = f"{run.get('group', '')}/{run.get('pipeline', '')}"
    attempt = f" attempt {run['attempt']}" if run.get("attempt", 0) > 1 else ""
    where = f" -> {run['output']}" if run.get("output") else ""
    why = f": {run['reason']}" if run.get("reason") else ""
    rest = f"; not started: {', '.join(run['not_started'])}" if run.get("not_started") else ""
    return f"{run['state']} {name} {run['run_id']} ({run.get('input', '')}){attempt}{where}{why}{rest}"
