"""The public event "Run State Change" on the default event bus, source ``dropbatch``."""

from collections.abc import Mapping
from typing import Any

__all__ = ["DETAIL_TYPE", "SOURCE", "VERSION", "run_state_change"]

SOURCE = "dropbatch"
DETAIL_TYPE = "Run State Change"
VERSION = 1


def run_state_change(environment: str, run: Mapping[str, Any]) -> dict[str, Any]:
    """Detail of the event, from a RUN item of the ledger (plain values).

    ``summary`` is one line for people; the other fields are for programs.
    """
    where = f" -> {run['output']}" if run.get("output") else ""
    why = f": {run['reason']}" if run.get("reason") else ""
    name = f"{run.get('group', '')}/{run.get('pipeline', '')}"
    summary = f"{run['state']} {name} {run['run_id']} ({run.get('input', '')}){where}{why}"
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
        "summary": summary,
    }
