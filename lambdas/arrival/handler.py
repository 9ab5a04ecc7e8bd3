"""Entry point of the arrival function: messages of the arrival queue, and actions of operators on dead letters."""

from functools import cache
from typing import Any

from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.flow import ArrivalFlow
from lambdas.common import wiring
from lambdas.common.control_objects import ControlObjects
from lambdas.ledger.table import Ledger

__all__ = ["handle"]

log = wiring.logger()


@cache
def _flow() -> ArrivalFlow:
    table, bucket, arrivals, dead_letters = wiring.variables(
        "LEDGER_TABLE", "OUTPUT_BUCKET", "ARRIVAL_QUEUE_URL", "ARRIVAL_DEAD_LETTER_URL"
    )
    s3 = wiring.client("s3")
    return ArrivalFlow(
        Dependencies(
            ledger=Ledger(wiring.client("dynamodb"), table),
            objects=ControlObjects(s3, bucket),
            s3=s3,
            batch=wiring.client("batch", retry=False),
            sqs=wiring.client("sqs"),
            events=wiring.client("events"),
            deployment=wiring.deployment(),
            bucket=bucket,
            arrival_url=arrivals,
            dead_letter_url=dead_letters,
        )
    )


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Process a batch of messages; return the ids of failed ones for redelivery.

    Operators invoke it with ``{"action": "dead-letters"}`` or ``{"action": "redrive"}``, and optionally a ``limit``.

    Raises:
        ValueError: the action is unknown.
    """
    if "Records" in event:
        return _flow().process(event["Records"], spent=wiring.time_spent(context)).response()
    from lambdas.arrival.dead_letters import DeadLetters  # noqa: PLC0415 - few calls need it

    arrivals, dead_letters = wiring.variables("ARRIVAL_QUEUE_URL", "ARRIVAL_DEAD_LETTER_URL")
    letters = DeadLetters(sqs=wiring.client("sqs"), arrival_url=arrivals, dead_letter_url=dead_letters)
    limit = int(event.get("limit", 100))
    match event.get("action"):
        case "dead-letters":
            return letters.show(limit=limit)
        case "redrive":
            return letters.redrive(limit=limit)
    raise ValueError(f"action must be 'dead-letters' or 'redrive', got {event.get('action')!r}")
