"""What the system itself asks for again: runs that wait for a job, and jobs of which nobody knows whether they came."""

from collections.abc import Mapping
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.overrides import Overrides
from lambdas.arrival.gates import Gates
from lambdas.arrival.jobs import Job, Submitter
from lambdas.arrival.surroundings import Surroundings
from lambdas.arrival.takeover import TakeOver
from lambdas.common.batches import Failures, chunks
from lambdas.common.items import MAX_TRANSACTION
from lambdas.common.messages import Message
from lambdas.common.own_messages import Resubmit

__all__ = ["start_held", "submit_again"]


def start_held(
    messages: Mapping[str, Message], around: Surroundings, submitter: Submitter, gates: Gates, failures: Failures
) -> None:
    """Make jobs of the held runs that messages, by their ids, ask for."""
    lease_until = submitter.lease()
    asked = {held: message_id for message_id, message in messages.items() for held in message.held}
    taken = TakeOver(around, gates=gates, now=ledger.timestamp(around.clock()))
    for part in chunks(asked.items(), MAX_TRANSACTION):
        if failures.put_off(message_id for _, message_id in part):
            continue
        with failures.collect(*(message_id for _, message_id in part)):
            taken.take([held for held, _ in part])
    for batch in taken.batches():
        submitter.start(
            batch.job_name,
            batch.runs,
            definition=batch.definition,
            queue=around.deployment.pools[batch.pool].queue,
            lease_until=lease_until,
            overrides=batch.overrides,
        )


def submit_again(
    messages: Mapping[str, Message], around: Surroundings, submitter: Submitter, failures: Failures
) -> None:
    """Submit the prepared jobs that messages, by their ids, ask for."""
    for message_id, message in messages.items():
        for request in message.resubmit:
            with failures.collect(message_id):
                item = _taken_over(request, around, submitter.lease())
                if item is not None:
                    submitter.submit(_job_of(request.job_name, item), refused=item.get("refused"))


def _taken_over(request: Resubmit, around: Surroundings, lease_until: str) -> dict[str, Any] | None:
    """JOB item of a prepared job whose lease ran out, under a new one; None when somebody has seen to it meanwhile."""
    try:
        answer = around.dynamodb.update_item(
            TableName=around.table,
            Key=ledger.to_item({"id": ledger.job_key(request.job_name)}),
            UpdateExpression="SET lease_until = :new",
            ConditionExpression="#state = :prepared AND lease_until = :old",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues=ledger.to_item(
                {":new": lease_until, ":prepared": "PREPARED", ":old": request.lease_until}
            ),
            ReturnValues="ALL_NEW",
        )
    except around.dynamodb.exceptions.ConditionalCheckFailedException:
        return None
    return ledger.from_item(answer["Attributes"])


def _job_of(name: str, item: Mapping[str, Any]) -> Job:
    """The job of a JOB item. One of an earlier release does not say what was asked for: it keeps its revision."""
    known = {"asked": item["definition"], **item}
    same = {field: known[field] for field in Job._fields if field not in ("name", "overrides")}
    return Job(name=name, overrides=Overrides.from_item(item), **same)
