"""Updates of JOB items: mark a job as submitted, refused or moved; take its lease; set its definition."""

from datetime import datetime
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.items import Job, Refusal
from lambdas.ledger.table import Ledger

__all__ = ["mark_moved", "mark_refused", "mark_submitted", "set_definition", "take_lease"]


def mark_submitted(table: Ledger, job_name: str, job_id: str) -> None:
    """Store the Batch id of a submitted job, and clear its refusal."""
    _update(
        table,
        job_name,
        "SET #state = :submitted, job_id = :id, submitted_at = :now REMOVE refused, #day, created_at",
        {":submitted": "SUBMITTED", ":id": job_id, ":now": table.now()},
        names={"#state": "state", "#day": "day"},
        condition="attribute_exists(id)",
    )


def mark_refused(table: Ledger, job: Job, refusal: Refusal, *, until: datetime) -> bool:
    """Store that Batch refused a job; return False when another invocation holds the job's lease by now.

    Until the time `until`, group members find the item in the by-day index under `ledger.refused_key`.
    """
    values = {
        ":refused": refusal._asdict(),
        ":group": ledger.refused_key(job.group),
        ":until": ledger.timestamp(until),
        ":prepared": "PREPARED",
        ":lease": job.lease_until,
    }
    item = _update(
        table,
        job.name,
        "SET refused = :refused, #day = :group, created_at = :until",
        values,
        names={"#state": "state", "#day": "day"},
        condition="#state = :prepared AND lease_until = :lease",
    )
    return item is not None


def take_lease(table: Ledger, job_name: str, *, old: str, new: str) -> Job | None:
    """Take over a prepared job whose lease expired; return the job with its new lease.

    Return None when the job has been submitted, or another invocation took the lease first.
    """
    item = _update(
        table,
        job_name,
        "SET lease_until = :new",
        {":new": new, ":prepared": "PREPARED", ":old": old},
        names={"#state": "state"},
        condition="#state = :prepared AND lease_until = :old",
    )
    return Job.from_item(item) if item else None


def set_definition(table: Ledger, job: Job, definition: str) -> Job:
    """Store the job definition revision to submit; return the updated job."""
    names = {"#definition": "definition"}
    _update(table, job.name, "SET #definition = :definition", {":definition": definition}, names=names)
    return job._replace(definition=definition)


def mark_moved(table: Ledger, job: Job) -> None:
    """Store that a job is being canceled to move its runs to another pool."""
    _update(table, job.name, "SET moved = :yes", {":yes": True}, condition="attribute_exists(id)")


def _update(
    table: Ledger,
    job_name: str,
    expression: str,
    values: dict[str, Any],
    *,
    names: dict[str, str] | None = None,
    condition: str = "",
) -> dict[str, Any] | None:
    return table.update(
        Key=ledger.to_item({"id": ledger.job_key(job_name)}),
        UpdateExpression=expression,
        ExpressionAttributeValues=ledger.to_item(values),
        **({"ExpressionAttributeNames": names} if names else {}),
        **({"ConditionExpression": condition} if condition else {}),
    )
