"""What the system itself asks for again: runs that wait for a job, and jobs of which nobody knows whether they came."""

from collections.abc import Mapping

from dropbatch.contract import ledger
from lambdas.arrival.gates import Gates
from lambdas.arrival.jobs import Submitter
from lambdas.arrival.surroundings import Surroundings
from lambdas.arrival.takeover import TakeOver
from lambdas.common.batches import Failures, chunks
from lambdas.common.items import MAX_TRANSACTION
from lambdas.common.messages import Message

__all__ = ["start_held", "submit_again"]


def start_held(
    messages: Mapping[str, Message], around: Surroundings, submitter: Submitter, gates: Gates, failures: Failures
) -> None:
    """Make jobs of the held runs that messages, by their ids, ask for."""
    lease_until = submitter.lease()
    asked = {held: message_id for message_id, message in messages.items() for held in message.held}
    taken = TakeOver(around, gates=gates, now=ledger.timestamp(around.clock()))
    for part in chunks(asked.items(), MAX_TRANSACTION):
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


def submit_again(messages: Mapping[str, Message], submitter: Submitter, failures: Failures) -> None:
    """Submit the prepared jobs that messages, by their ids, ask for."""
    for message_id, message in messages.items():
        for request in message.resubmit:
            with failures.collect(message_id):
                job = submitter.take_over(request.job_name, request.lease_until)
                if job is not None:
                    submitter.submit(job)
