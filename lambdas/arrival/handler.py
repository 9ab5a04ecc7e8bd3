"""Entry point of the arrival function: messages of the arrival queue, and an operator's look at the dead ones."""

from functools import cache
from typing import Any

from lambdas.arrival.flow import ArrivalFlow
from lambdas.arrival.surroundings import Surroundings
from lambdas.common import wiring

__all__ = ["handle"]

log = wiring.logger()


@cache
def _flow() -> ArrivalFlow:
    table, bucket, arrivals, dead_letters = wiring.variables(
        "LEDGER_TABLE", "OUTPUT_BUCKET", "ARRIVAL_QUEUE_URL", "ARRIVAL_DEAD_LETTER_URL"
    )
    return ArrivalFlow(
        Surroundings(
            dynamodb=wiring.client("dynamodb"),
            s3=wiring.client("s3"),
            batch=wiring.client("batch", retry=False),
            sqs=wiring.client("sqs"),
            events=wiring.client("events"),
            deployment=wiring.deployment(),
            table=table,
            bucket=bucket,
            arrival_url=arrivals,
            dead_letter_url=dead_letters,
        )
    )


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Process a batch; messages that shall come again are named in the answer.

    Operators call it with ``{"action": "dead-letters"}`` or ``{"action": "redrive"}``, and a ``limit`` if they like.

    Raises:
        ValueError: a direct call with an unknown action.
    """
    if "Records" in event:
        return _flow().process(event["Records"], spent=wiring.time_spent(context)).response()
    from lambdas.arrival.redrive import DeadLetters  # noqa: PLC0415 - operators are seldom: no part of every cold start

    arrivals, dead_letters = wiring.variables("ARRIVAL_QUEUE_URL", "ARRIVAL_DEAD_LETTER_URL")
    letters = DeadLetters(sqs=wiring.client("sqs"), arrival_url=arrivals, dead_letter_url=dead_letters)
    limit = int(event.get("limit", 100))
    match event.get("action"):
        case "dead-letters":
            return letters.show(limit=limit)
        case "redrive":
            return letters.redrive(limit=limit)
    raise ValueError(f"action must be 'dead-letters' or 'redrive', got {event.get('action')!r}")
