"""The states of a run: every allowed transition, and the condition that its write must meet.

All writers use these transitions. The writes are conditional, so that late or repeated events, and functions that work
on the same run at the same time, have one effect. `docs/ledger.md` is generated from this module.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dropbatch.contract import ledger
from dropbatch.contract.items import Run
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.runs import State, order

__all__ = [
    "ADVANCE",
    "ASSIGN_JOB",
    "CANCEL",
    "CLAIM",
    "END",
    "PUBLISHED",
    "REJECT",
    "REQUEST_CANCEL",
    "RESCUE",
    "RETRY",
    "TRANSITIONS",
    "Guard",
    "Transition",
    "TransitionError",
]

_WAITING = (State.HELD, State.SUBMITTED)
_UNFINISHED = (*_WAITING, State.RUNNING)
_FINAL = (State.SUCCEEDED, State.FAILED, State.REJECTED, State.CANCELLED)

_NAME = re.compile(r"#(\w+)")
_BEFORE = re.compile(r":was_(\w+)")
_AFTER = re.compile(r":(?!was_)(\w+)")


class Guard(NamedTuple):
    """A condition on the stored item."""

    text: str
    expression: str
    """DynamoDB condition: ``#field`` is a field's name, ``:was_field`` its value in the run as it was read, and
    ``:field`` its new value."""


class TransitionError(ValueError):
    """No transition allows this change: the calling code is wrong."""


_NEW = Guard("no item has this id", "attribute_not_exists(id)")
_LATER = Guard("the new attempt and state come after the stored ones", "#order < :order")
_EXISTS = Guard("the run exists", "attribute_exists(id)")
_SAME_ATTEMPT = Guard("the attempt has not changed since it was read", "#attempt = :was_attempt")
_SAME_STATE = Guard("attempt and state have not changed since they were read", "#order = :was_order")
_SAME_JOB = Guard("the run still waits for the same job", "#state = :was_state AND #job_name = :was_job_name")
_NOT_CANCELED = Guard("no request has canceled the run", "attribute_not_exists(cancel)")
_SAME_REQUESTS = Guard("no other request has changed the run since it was read", "#requests = :was_requests")
_NO_REQUESTS = Guard("no request has changed the run", "attribute_not_exists(requests)")


class Transition(NamedTuple):
    """One allowed change of a run."""

    name: str
    before: tuple[State, ...]
    """Allowed states before the change; empty for a new run."""
    after: tuple[State, ...]
    guards: tuple[Guard, ...]
    writer: str
    """The function that makes the change."""
    text: str
    rewrites: tuple[str, ...] = ()
    """Fields that are written even when unchanged: set to the new value, or removed when the run has none."""

    def put(self, table: str, run: Run) -> dict[str, Any]:
        """Return the entry of TransactItems that writes a new run."""
        self._check(None, run.state, run.id)
        item = run.to_item()
        return {"Put": {"TableName": table, "Item": ledger.to_item(item), **self._condition({}, item)}}

    def update(self, table: str, before: Run, after: Run) -> dict[str, Any]:
        """Return the parameters of UpdateItem that change a run from `before`, as it was read, to `after`."""
        self._check(before.state, after.state, after.id)
        old, new = before.to_item(), after.to_item()
        # The state is written whenever the order changes: the stored run may have advanced since it was read.
        rewrites = (*self.rewrites, "state") if old["order"] != new["order"] else self.rewrites
        changed = {
            name: value for name, value in new.items() if name not in old or old[name] != value or name in rewrites
        }
        removed = sorted({*old, *rewrites} - new.keys())
        return _update(table, after.id, changed, removed, self._condition(old, new))

    def update_unread(self, table: str, run: RunSpec, state: State, changed: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of UpdateItem that set state and `changed` fields of a run that was not read."""
        run_id = ledger.run_key(run.group, run.run_id)
        self._check(None, state, run_id)
        new = {**changed, "state": state, "order": order(run.attempt, state)}
        return _update(table, run_id, new, [], self._condition({}, new))

    def _check(self, before: State | None, after: State, run_id: str) -> None:
        if (before is not None and before not in self.before) or after not in self.after:
            raise TransitionError(f"{self.name}: run {run_id} cannot go from {before or 'nothing'} to {after}")

    def _condition(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """The guards as parameters of a write; `old` and `new` are items."""
        guards = [_NO_REQUESTS if each is _SAME_REQUESTS and "requests" not in old else each for each in self.guards]
        expression = " AND ".join(guard.expression for guard in guards)
        values = {f":was_{name}": old[name] for name in _BEFORE.findall(expression)}
        values |= {f":{name}": new[name] for name in _AFTER.findall(expression)}
        names = {f"#{name}": name for name in _NAME.findall(expression)}
        return {
            "ConditionExpression": expression,
            **({"ExpressionAttributeNames": names} if names else {}),
            **({"ExpressionAttributeValues": ledger.to_item(values)} if values else {}),
        }


def _update(
    table: str, item_id: str, changed: Mapping[str, Any], removed: Sequence[str], condition: Mapping[str, Any]
) -> dict[str, Any]:
    clauses = []
    if changed:
        clauses.append("SET " + ", ".join(f"#{name} = :{name}" for name in changed))
    if removed:
        clauses.append("REMOVE " + ", ".join(f"#{name}" for name in removed))
    names = {f"#{name}": name for name in (*changed, *removed)}
    values = ledger.to_item({f":{name}": value for name, value in changed.items()})
    return {
        "TableName": table,
        "Key": ledger.to_item({"id": item_id}),
        "UpdateExpression": " ".join(clauses),
        **condition,
        "ExpressionAttributeNames": names | condition.get("ExpressionAttributeNames", {}),
        "ExpressionAttributeValues": values | condition.get("ExpressionAttributeValues", {}),
    }


CLAIM = Transition("claim", (), (State.HELD,), (_NEW,), "arrival", "A file or a request starts a run.")
REJECT = Transition("reject", (), (State.REJECTED,), (_NEW,), "arrival", "A file, request or run is rejected.")
ASSIGN_JOB = Transition(
    "assign job",
    (State.HELD,),
    (State.HELD,),
    (_SAME_JOB,),
    "arrival",
    "A held run gets a new job, on a pool that has capacity.",
)
ADVANCE = Transition(
    "advance",
    _WAITING,
    (State.SUBMITTED, State.RUNNING),
    (_EXISTS, _LATER),
    "run events",
    "Batch has queued or started the job. The run is not read before the write.",
)
END = Transition(
    "end",
    _UNFINISHED,
    (State.SUCCEEDED, State.FAILED, State.CANCELLED),
    (_EXISTS, _LATER, _SAME_ATTEMPT),
    "run events",
    "The job has ended, and so has the run. The same transaction counts the usage and settles the group's limit.",
)
RESCUE = Transition(
    "rescue",
    _UNFINISHED,
    (State.HELD,),
    (_EXISTS, _LATER, _SAME_ATTEMPT, _NOT_CANCELED),
    "run events",
    "The job failed, and the run gets another attempt. The same transaction counts the usage of the failed attempt.",
)
REQUEST_CANCEL = Transition(
    "request cancel",
    (*_UNFINISHED, *_FINAL),
    (*_UNFINISHED, *_FINAL),
    (_SAME_ATTEMPT, _SAME_REQUESTS),
    "arrival",
    "A request cancels the run. From now on no further attempt is opened when its job fails.",
    rewrites=("cancel", "requests"),
)
CANCEL = Transition(
    "cancel",
    _UNFINISHED,
    (State.CANCELLED,),
    (_SAME_ATTEMPT, _LATER),
    "arrival",
    "The run had not started. Its fence is taken first, so that no job can start it later.",
)
RETRY = Transition(
    "retry",
    (State.FAILED, State.CANCELLED, State.REJECTED),
    (State.HELD,),
    (_SAME_STATE,),
    "arrival",
    "A request opens the next attempt of a run that failed, was canceled, or was rejected by its group's limit.",
)
PUBLISHED = Transition(
    "published",
    _FINAL,
    _FINAL,
    (_SAME_STATE,),
    "arrival, run events",
    "The final state was published on the event bus. The run leaves the index of pending runs.",
    rewrites=("unfinished",),  # without it the update of a run published before would be empty, which DynamoDB refuses
)

TRANSITIONS = (CLAIM, REJECT, ASSIGN_JOB, ADVANCE, END, RESCUE, REQUEST_CANCEL, CANCEL, RETRY, PUBLISHED)
