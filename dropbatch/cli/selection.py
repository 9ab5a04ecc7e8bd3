"""Select the runs of a request: the named ones, or all to which it applies."""

from collections.abc import Sequence

from dropbatch.cli import runs
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import NotFoundError, UsageFault
from dropbatch.contract.runs import State

__all__ = ["APPLIES", "select"]

APPLIES = {
    "retry": frozenset({State.FAILED, State.CANCELLED}),
    "cancel": frozenset({State.HELD, State.SUBMITTED, State.RUNNING}),
    "rerun": frozenset(State) - {State.REJECTED},
}
"""States of runs to which each kind of request applies."""

_FIX = {
    "retry": "to process its input as a new run, use `dropbatch rerun`",
    "cancel": "it has ended already",
    "rerun": "it was rejected and never ran: fix the file and drop it again",
}


def select(
    deployed: Deployed, group: str, kind: str, named: Sequence[str], *, every: bool, pipeline: str | None, days: int
) -> list[runs.Run]:
    """Return the runs to which a request of this kind applies.

    Raises:
        UsageFault: neither or both of names and --all were given, or a named run is in another state.
        NotFoundError: there are no such runs.
    """
    if bool(named) == every:
        raise UsageFault("name runs, or give --all: see `dropbatch status`")
    applies = APPLIES[kind]
    if every:
        found = [
            run
            for run in runs.by_day(deployed, group, days=days)
            if _applies(run, kind) and (pipeline is None or run.pipeline == pipeline)
        ]
        if not found:
            states = ", ".join(state for state in State if state in applies)
            raise NotFoundError(f"no run of the last {days} days is {states}: see `dropbatch status`, or --days")
        return found

    def fits(run: runs.Run) -> bool:
        return _applies(run, kind)

    chosen = {run.run_id: run for run in (runs.find(deployed, group, text, fits=fits) for text in named)}
    for run in chosen.values():
        if not _applies(run, kind):
            raise UsageFault(f"{run.run_id} is {run.state}, `{kind}` does not apply: {_FIX[kind]}")
    return list(chosen.values())


def _applies(run: runs.Run, kind: str) -> bool:
    # A run rejected because of the group's monthly limit is valid, and may be retried once the limit has room.
    return run.state in APPLIES[kind] or (kind == "retry" and "over_limit" in run.item)
