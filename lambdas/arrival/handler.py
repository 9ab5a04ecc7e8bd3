"""Entry point of the arrival function: messages of the arrival queue."""

from functools import cache
from typing import Any

from lambdas.arrival.flow import ArrivalFlow, Clients
from lambdas.common import wiring

__all__ = ["handle"]

log = wiring.logger()


@cache
def _flow() -> ArrivalFlow:
    table, bucket, dead_letters = wiring.variables("LEDGER_TABLE", "OUTPUT_BUCKET", "ARRIVAL_DEAD_LETTER_URL")
    clients = Clients(
        dynamodb=wiring.client("dynamodb"),
        s3=wiring.client("s3"),
        # SubmitJob has no idempotency token: a repeated call is a second job.
        batch=wiring.client("batch", retry=False),
        sqs=wiring.client("sqs"),
        events=wiring.client("events"),
    )
    return ArrivalFlow(
        deployment=wiring.deployment(), clients=clients, table=table, bucket=bucket, dead_letter_url=dead_letters
    )


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Process a batch; messages that shall come again are named in the answer."""
    return _flow().process(event["Records"]).response()
