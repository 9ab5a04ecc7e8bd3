"""Requests about runs that exist: try them again, run them anew, make their results again, cancel them."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dropbatch.contract import ledger
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.runs import State, order, request_id, run_id
from lambdas.arrival.admission import Admitted, Rejected, choice
from lambdas.arrival.originals import Originals, output_beside
from lambdas.arrival.requests.actions import Named, read_runs
from lambdas.arrival.requests.cancel import Canceller
from lambdas.arrival.requests.faults import MAX_FAULTS, Fault, FaultsError
from lambdas.arrival.requests.reproductions import AT_ONCE, Reproducer
from lambdas.arrival.surroundings import Surroundings
from lambdas.common.announce import Announcer
from lambdas.common.items import MAX_TRANSACTION, read_items, write_where_true
from lambdas.common.own_messages import Held, RequestStep, held_body
from lambdas.common.specs import spec_of

if TYPE_CHECKING:
    from lambdas.arrival.limits import Over

__all__ = ["RunsDesk"]

log = logging.getLogger("dropbatch")

_AT_ONCE = MAX_TRANSACTION
_REMEMBERED = 10
_AGAIN = (State.FAILED, State.CANCELLED)
_OF_THE_END = (
    *("reason", "phase", "exit_code", "log_tail", "not_started", "output", "job_id", "log_stream"),
    *("started_at", "stopped_at", "tries", "cancel", "over_limit"),
)
_Item = Mapping[str, Any]
_Change = tuple[_Item, Mapping[str, Any]]


class RunsDesk:
    """Takes on `retry`, `rerun`, `reproduce` and `cancel`."""

    def __init__(self, around: Surroundings, canceller: Canceller, announcer: Announcer) -> None:
        self._around = around
        self._deployment = around.deployment
        self._canceller = canceller
        self._originals = Originals(around)
        self._reproducer = Reproducer(around)
        self._announcer = announcer

    def take(self, step: RequestStep, body: Mapping[str, Any]) -> tuple[list[Admitted | Rejected], list[RequestStep]]:
        """Do one step: a hundred of the runs. The first step looks at all of them, and touches none if one is wrong."""
        limit = self._deployment.max_runs_per_request
        named = read_runs(body, limit=min(AT_ONCE, limit) if step.request == "reproduce" else limit)
        if step.page == 0:
            self._check(step, named)
        mine = named[step.page * _AT_ONCE : (step.page + 1) * _AT_ONCE]
        items = self._items(step, mine)
        started: list[Admitted | Rejected] = []
        match step.request:
            case "retry":
                self._retry(step, list(items.values()))
            case "rerun":
                started += [self._rerun(step, item) for item in items.values()]
            case "reproduce":
                started += self._reproducer.runs(mine, items, mark=_mark(step))
            case "cancel":
                self._canceller.cancel(list(items.values()), _mark(step))
        more = (step.page + 1) * _AT_ONCE < len(named)
        return started, [step._replace(page=step.page + 1)] if more else []

    def _items(self, step: RequestStep, named: Sequence[Named]) -> dict[str, _Item]:
        ids = {ledger.run_key(step.group, each.run_id): each.run_id for each in named}
        return {ids[key]: item for key, item in read_items(self._around.dynamodb, self._around.table, ids).items()}

    def _check(self, step: RequestStep, named: Sequence[Named]) -> None:
        items = self._items(step, named)
        faults = []
        for each in named:
            reason = self._refusal(step, items.get(each.run_id))
            if reason:
                faults.append(Fault(place=each.place, text=f"{each.run_id} {reason}"))
            if len(faults) > MAX_FAULTS:
                break
        if faults:
            raise FaultsError(*faults)

    def _refusal(self, step: RequestStep, item: _Item | None) -> str | None:
        if item is None:
            return f"is no run of group {step.group!r}: look it up with dropbatch status"
        state = item["state"]
        if state == State.REJECTED and not (step.request == "retry" and "over_limit" in item):
            return "was refused and never ran: put the file again, mended"
        if step.request == "retry" and not _may_begin_anew(item) and _mark(step) not in item.get("requests", ()):
            return f"is {state}: only failed and cancelled runs are tried again, use rerun.json for a new run"
        if step.request == "reproduce" and state != State.SUCCEEDED:
            return f"is {state}: only results of runs that succeeded are made again, use rerun.json or retry.json"
        pipelines = self._deployment.pipelines
        if step.request != "cancel" and item["pipeline"] not in pipelines:
            return f"is a run of pipeline {item['pipeline']!r}, which is gone: {choice(item['pipeline'], pipelines)}"
        if step.request != "cancel" and step.group not in pipelines[item["pipeline"]].definitions:
            return f"is a run of {item['pipeline']!r}, which is no longer set up for group {step.group!r}: ask for it"
        return None

    def _retry(self, step: RequestStep, items: Sequence[_Item]) -> None:
        """Open the next attempt of runs that ended, HELD until a job is made for it."""
        # Runs that this request has seen to already are left alone: the step is being repeated.
        fresh = [item for item in items if _mark(step) not in item.get("requests", ()) and _may_begin_anew(item)]
        changes = [(item, self._anew(step, item)) for item in fresh]
        written, over = self._write(step.group, changes)
        if written:
            self._set_going(step, written)
        if over is not None:
            left = len(changes) - len(written)
            raise FaultsError(Fault(place="runs", text=f"{left} of {len(changes)} are {over.reason(step.group)}"))

    def _write(self, group: str, changes: Sequence[_Change]) -> tuple[Sequence[_Change], "Over | None"]:
        """Write what is possible; those that the group's limit leaves no room for stay as they are."""
        if group not in self._deployment.limits:
            return write_where_true(self._around.dynamodb, changes, self._update), None
        from lambdas.arrival.cashier import Cashier  # noqa: PLC0415 - not every deployment has limits

        return Cashier(self._around, self._announcer).admit_again(group, changes, self._update)

    def _set_going(self, step: RequestStep, written: Sequence[_Change]) -> None:
        # Should this message never be sent, reconcile finds the runs waiting for a job that nobody knows.
        waiting = [
            Held(group=step.group, run_id=item["run_id"], job_name=fields["job_name"]) for item, fields in written
        ]
        self._around.sqs.send_message(QueueUrl=self._around.arrival_url, MessageBody=held_body(waiting))
        self._announcer.tell([{**item, **fields, "reason": ""} for item, fields in written])

    def _anew(self, step: RequestStep, item: _Item) -> dict[str, Any]:
        attempt = item["attempt"] + 1
        pools = self._deployment.pipelines[item["pipeline"]].pools
        earlier = {
            "attempt": item["attempt"],
            "pool": item["pool"],
            "cause": "retry on request",
            "reason": item.get("reason", ""),
            "job_id": item.get("job_id", ""),
            "tries": item.get("tries", 0),
        }
        return {
            "state": State.HELD,
            "attempt": attempt,
            "order": order(attempt, State.HELD),
            "job_name": f"retry-{item['run_id']}.{attempt}",
            "pool": item["pool"] if item["pool"] in pools else pools[0],
            "earlier": [*item.get("earlier", ()), earlier],
            "requests": [*item.get("requests", ()), _mark(step)][-_REMEMBERED:],
            "updated_at": ledger.timestamp(self._around.clock()),
            "unfinished": ledger.unfinished_key(item["run_id"]),
        }

    def _update(self, change: tuple[_Item, Mapping[str, Any]]) -> dict[str, Any]:
        item, fields = change
        removed = [name for name in _OF_THE_END if name in item]
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in fields)
        if removed:
            update += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        return {
            "Update": {
                "TableName": self._around.table,
                "Key": ledger.to_item({"id": item["id"]}),
                "UpdateExpression": update,
                "ConditionExpression": "#order = :was",
                "ExpressionAttributeNames": {f"#{name}": name for name in (*fields, *removed)},
                "ExpressionAttributeValues": ledger.to_item(
                    {**{f":{name}": value for name, value in fields.items()}, ":was": item["order"]}
                ),
            }
        }

    def _rerun(self, step: RequestStep, item: _Item) -> Admitted:
        """A new run over the same input: with today's program, and another identity for each request."""
        old = spec_of(item)
        identity = run_id(
            group=old.group,
            pipeline=old.pipeline,
            bucket=old.bucket,
            key=old.key,
            version_id=old.version_id,
            parameters=old.parameters,
            request_id=f"{_mark(step)}#{old.run_id}",
        )
        pipeline = self._deployment.pipelines[old.pipeline]
        pool = item["pool"] if item["pool"] in pipeline.pools else pipeline.pools[0]
        read_by, objects = self._originals.folder(item) if old.is_folder else ("", ())
        output = output_beside(item, identity)
        return Admitted(
            run=old._replace(run_id=identity, attempt=1, output=output, earlier=(), objects=objects),
            definition=pipeline.definitions[old.group],
            pool=pool,
            queue=self._deployment.pools[pool].queue,
            overrides=Overrides.from_item(item),
            name=item.get("name", ""),
            request=_mark(step),
            repeats=read_by or item["run_id"],
        )


def _may_begin_anew(item: _Item) -> bool:
    return item["state"] in _AGAIN or "over_limit" in item


def _mark(step: RequestStep) -> str:
    return request_id(step.key, step.version_id)
