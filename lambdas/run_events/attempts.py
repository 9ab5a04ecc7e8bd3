"""Write the end of an attempt to the ledger: the run ends, or its next attempt begins.

The same transaction counts the attempt's usage, so a repeated event does not count it twice.
"""

from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.deployment import Deployment, Pool
from dropbatch.contract.items import Run, earlier_attempt
from dropbatch.contract.limits import amount_of
from dropbatch.contract.runs import State
from dropbatch.contract.usage import MonthUsage, Usage
from lambdas.ledger.settlement import charge, release
from lambdas.ledger.table import Ledger
from lambdas.ledger.transitions import END, RESCUE
from lambdas.run_events.job_events import JobChange
from lambdas.run_events.rescue import Rescue

__all__ = ["Endings", "usage_of", "waiting_name"]


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


_HOUR_MS = 3_600_000
_MICRO = 1_000_000


def usage_of(change: JobChange, pool: Pool | None) -> Usage:
    """Return the usage of all tries of an ended job; parts that cannot be known are None."""
    time_ms = _time_ms(change)
    if time_ms == 0:
        return Usage(vcpu_ms=0, mib_ms=0, micro_usd=0)
    vcpu_ms = _times(change.vcpus, time_ms)
    mib_ms = _times(change.memory_mib, time_ms)
    return Usage(vcpu_ms=vcpu_ms, mib_ms=mib_ms, micro_usd=_cost(vcpu_ms, mib_ms, pool))


def _time_ms(change: JobChange) -> int | None:
    """Sum of the running times of the job's containers in milliseconds; None if unknown."""
    if not change.tries:
        return None if change.started_at else 0
    total = 0
    for each in change.tries:
        if each.started_ms is None:
            continue  # the container never started, for example because its image could not be pulled
        if each.stopped_ms is None:
            return None
        total += max(0, each.stopped_ms - each.started_ms)
    return total


def _times(amount: int | None, time_ms: int | None) -> int | None:
    return None if amount is None or time_ms is None else amount * time_ms


def _cost(vcpu_ms: int | None, mib_ms: int | None, pool: Pool | None) -> int | None:
    if pool is None or pool.usd_per_vcpu_hour is None or pool.usd_per_gib_hour is None:
        return None
    if vcpu_ms is None or mib_ms is None:
        return None
    hours = vcpu_ms / _HOUR_MS * pool.usd_per_vcpu_hour + mib_ms / 1024 / _HOUR_MS * pool.usd_per_gib_hour
    return round(hours * _MICRO)
