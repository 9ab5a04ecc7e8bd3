"""The end of an attempt in the ledger: the run is over, or it begins anew.

Both are one transaction with what the attempt used, so that each is counted once however often its event comes.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.limits import amount_of
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.runs import State, order
from dropbatch.contract.usage import MonthUsage, Usage
from lambdas.common.limits import charge, release, write_settling
from lambdas.run_events.changes import JobChange
from lambdas.run_events.rescue import Rescue
from lambdas.run_events.usage import usage_of

__all__ = ["Endings", "waiting_name"]

log = logging.getLogger("dropbatch")

_Item = dict[str, Any]


def waiting_name(run_id: str, attempt: int) -> str:
    """`job_name` of a run that begins anew and has no job yet."""
    return f"rescue-{run_id}.{attempt}"


class Endings:
    """Ends attempts of runs, each once."""

    def __init__(
        self,
        *,
        dynamodb: Any,
        table: str,
        bucket: str,
        deployment: Deployment,
        clock: ledger.Clock = ledger.utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`bucket` is the output bucket."""
        self._dynamodb = dynamodb
        self._table = table
        self._bucket = bucket
        self._deployment = deployment
        self._clock = clock
        self._sleep = sleep

    def end(self, item: Mapping[str, Any], run: RunSpec, change: JobChange, details: Mapping[str, Any]) -> _Item | None:
        """Bring a run to its final state; returns its item, or None when somebody else has moved it on.

        `details` are further fields of the item; those that say nothing are left out.
        """
        used = self._used(item, change)
        fields = {
            **self._common(item, change),
            **({"reserved": {**item["reserved"], "amount": 0}} if "reserved" in item else {}),
            "state": change.state,
            "order": order(run.attempt, change.state),
            "started_at": change.started_at,
            "stopped_at": change.stopped_at,
            "tries": len(change.tries),
            **details,
        }
        if change.state is State.SUCCEEDED:
            fields["output"] = keys.uri(self._bucket, run.output)
        said = {name: value for name, value in fields.items() if value not in (None, "", [])}
        return self._write(item, change, said, release(self._table, item, used))

    def begin_anew(
        self, item: Mapping[str, Any], run: RunSpec, change: JobChange, rescue: Rescue, reason: str
    ) -> _Item | None:
        """Open the next attempt of a run, HELD until a job is made for it; None when somebody else has moved it on."""
        attempt = run.attempt + 1
        earlier = {
            "attempt": run.attempt,
            "pool": item["pool"],
            "cause": rescue.cause,
            "reason": reason,
            "job_id": change.job_id,
            "tries": len(change.tries),
        }
        fields = {
            **self._common(item, change),
            "state": State.HELD,
            "attempt": attempt,
            "order": order(attempt, State.HELD),
            "job_name": waiting_name(run.run_id, attempt),
            "pool": rescue.pool,
            "earlier": [*item.get("earlier", ()), earlier],
        }
        if rescue.memory_mib is not None:
            fields["overrides"] = {**item.get("overrides", {}), "memory_mib": rescue.memory_mib}
        # Cancelled in this very moment: nothing follows, and the next look at the job ends the run.
        return self._write(
            item,
            change,
            fields,
            charge(self._table, item, self._used(item, change)),
            remove=("started_at", "log_stream"),
            only_if=" AND attribute_not_exists(cancel)",
        )

    def _common(self, item: Mapping[str, Any], change: JobChange) -> _Item:
        usage = Usage.from_item(item) + self._usage(item, change)
        return {"updated_at": ledger.timestamp(self._clock()), "job_id": change.job_id, "usage": usage.to_dict()}

    def _used(self, item: Mapping[str, Any], change: JobChange) -> int | None:
        """What the attempt used, in the unit of its group's limit; nothing where there is none."""
        return amount_of(item["reserved"]["unit"], self._usage(item, change)) if "reserved" in item else 0

    def _usage(self, item: Mapping[str, Any], change: JobChange) -> Usage:
        return usage_of(change, self._deployment.pools.get(item["pool"]))

    def _write(
        self,
        item: Mapping[str, Any],
        change: JobChange,
        fields: Mapping[str, Any],
        settlement: Mapping[str, Any] | None,
        *,
        remove: tuple[str, ...] = (),
        only_if: str = "",
    ) -> _Item | None:
        run = self._run_update(item, fields, remove)
        run["ConditionExpression"] += only_if
        steps = [{"Update": run}, {"Update": self._usage_update(item, change)}]
        if not write_settling(self._dynamodb, steps, settlement, sleep=self._sleep):
            return None
        return {name: value for name, value in {**item, **fields}.items() if name not in remove}

    def _run_update(self, item: Mapping[str, Any], fields: Mapping[str, Any], remove: tuple[str, ...]) -> _Item:
        names = {f"#{name}": name for name in (*fields, *remove)}
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in fields)
        if remove:
            update += " REMOVE " + ", ".join(f"#{name}" for name in remove)
        return {
            "TableName": self._table,
            "Key": ledger.to_item({"id": item["id"]}),
            "UpdateExpression": update,
            "ConditionExpression": "attribute_exists(id) AND #order < :order AND attempt = :from",
            "ExpressionAttributeNames": {**names, "#order": "order"},
            "ExpressionAttributeValues": ledger.to_item(
                {**{f":{name}": value for name, value in fields.items()}, ":from": item["attempt"]}
            ),
        }

    def _usage_update(self, item: Mapping[str, Any], change: JobChange) -> _Item:
        month = (change.stopped_at or ledger.timestamp(self._clock()))[:7]
        parts = MonthUsage.of(self._usage(item, change)).fields(item["pipeline"])
        names = {f"#p{number}": name for number, name in enumerate(parts)}
        values = {f":p{number}": value for number, value in enumerate(parts.values())}
        return {
            "TableName": self._table,
            "Key": ledger.to_item({"id": ledger.usage_key(item["group"], month, item["run_id"])}),
            "UpdateExpression": "ADD " + ", ".join(f"#p{number} :p{number}" for number in range(len(parts))),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": ledger.to_item(values),
        }
