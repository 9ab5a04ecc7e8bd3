"""Write the end of an attempt to the ledger: the run ends, or its next attempt begins.

The same transaction counts the attempt's usage, so a repeated event does not count it twice.
"""

from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.items import Run, earlier_attempt
from dropbatch.contract.limits import amount_of
from dropbatch.contract.runs import State
from dropbatch.contract.usage import MonthUsage, Usage
from lambdas.ledger.limits import charge, release
from lambdas.ledger.table import Ledger
from lambdas.ledger.transitions import END, RESCUE
from lambdas.run_events.changes import JobChange
from lambdas.run_events.rescue import Rescue
from lambdas.run_events.usage import usage_of

__all__ = ["Endings", "waiting_name"]


def waiting_name(run_id: str, attempt: int) -> str:
    """Return the `job_name` of a rescued run that has no job yet."""
    return f"rescue-{run_id}.{attempt}"


class Endings:
    """Writes the ends of attempts."""

    def __init__(self, table: Ledger, *, bucket: str, deployment: Deployment) -> None:
        """`bucket` is the output bucket."""
        self._ledger = table
        self._bucket = bucket
        self._deployment = deployment

    def end(self, run: Run, change: JobChange, **details: Any) -> Run | None:
        """Write the final state of a run; return the run, or None when another writer has changed it.

        `details` are further fields to set.
        """
        succeeded = change.state is State.SUCCEEDED
        after = self._with_usage(run, change)._replace(
            state=change.state,
            reserved=run.reserved and run.reserved._replace(amount=0),
            started_at=change.started_at or run.started_at,
            stopped_at=change.stopped_at or run.stopped_at,
            tries=len(change.tries),
            output=keys.uri(self._bucket, run.output_prefix) if succeeded else "",
            **details,
        )
        entry = {"Update": END.update(self._ledger.table, run, after)}
        return self._write(run, after, change, entry, release(self._ledger.table, run, self._used(run, change)))

    def rescue(self, run: Run, change: JobChange, rescue: Rescue, reason: str) -> Run | None:
        """Open the next attempt of a run, HELD until it has a job; return None when another writer has changed it."""
        attempt = run.attempt + 1
        over = earlier_attempt(run, rescue.cause, reason=reason, job_id=change.job_id, tries=len(change.tries))
        memory = {} if rescue.memory_mib is None else {"memory_mib": rescue.memory_mib}
        after = self._with_usage(run, change)._replace(
            state=State.HELD,
            attempt=attempt,
            job_name=waiting_name(run.run_id, attempt),
            pool=rescue.pool,
            earlier=(*run.earlier, over),
            overrides=run.overrides._replace(**memory),
            started_at="",
            log_stream="",
        )
        # Has no effect when a request has canceled the run: the next event or reconcile then ends it.
        entry = {"Update": RESCUE.update(self._ledger.table, run, after)}
        return self._write(run, after, change, entry, charge(self._ledger.table, run, self._used(run, change)))

    def _with_usage(self, run: Run, change: JobChange) -> Run:
        usage = run.used + self._usage(run, change)
        return run._replace(updated_at=self._ledger.now(), job_id=change.job_id, usage=usage)

    def _used(self, run: Run, change: JobChange) -> int | None:
        """The attempt's usage in the unit of its group's limit; 0 for a group without a limit, None for unknown."""
        return amount_of(run.reserved.unit, self._usage(run, change)) if run.reserved else 0

    def _usage(self, run: Run, change: JobChange) -> Usage:
        return usage_of(change, self._deployment.pools.get(run.pool))

    def _write(
        self, run: Run, after: Run, change: JobChange, entry: dict[str, Any], settlement: dict[str, Any] | None
    ) -> Run | None:
        entries = [entry, {"Update": self._count(run, change)}]
        return after if self._ledger.write_settling(entries, settlement) else None

    def _count(self, run: Run, change: JobChange) -> dict[str, Any]:
        """The update that adds the attempt's usage to the counters of its month."""
        month = (change.stopped_at or self._ledger.now())[:7]
        parts = MonthUsage.of(self._usage(run, change)).fields(run.pipeline)
        return {
            "TableName": self._ledger.table,
            "Key": ledger.to_item({"id": ledger.usage_key(run.group, month, run.run_id)}),
            "UpdateExpression": "ADD " + ", ".join(f"#p{number} :p{number}" for number in range(len(parts))),
            "ExpressionAttributeNames": {f"#p{number}": name for number, name in enumerate(parts)},
            "ExpressionAttributeValues": ledger.to_item(
                {f":p{number}": value for number, value in enumerate(parts.values())}
            ),
        }
