"""Entry point of the run events function: job events from its queue, and the clock."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from lambdas.common import wiring
from lambdas.common.announce import Announcer
from lambdas.run_events.book import Book
from lambdas.run_events.flow import RunEventsFlow
from lambdas.run_events.reconcile import Reconcile

__all__ = ["handle"]

log = wiring.logger()


@dataclass(frozen=True, kw_only=True)
class _Parts:
    flow: RunEventsFlow
    reconcile: Reconcile


@cache
def _parts() -> _Parts:
    environment, table, bucket, arrival_url = wiring.variables(
        "DROPBATCH_ENVIRONMENT", "LEDGER_TABLE", "OUTPUT_BUCKET", "ARRIVAL_QUEUE_URL"
    )
    dynamodb = wiring.client("dynamodb")
    book = Book(dynamodb=dynamodb, s3=wiring.client("s3"), table=table, bucket=bucket)
    announcer = Announcer(events=wiring.client("events"), dynamodb=dynamodb, table=table, environment=environment)
    flow = RunEventsFlow(book=book, announcer=announcer)
    reconcile = Reconcile(
        book=book,
        flow=flow,
        announcer=announcer,
        batch=wiring.client("batch"),
        sqs=wiring.client("sqs"),
        arrival_url=arrival_url,
        lease=wiring.deployment().lease,
    )
    return _Parts(flow=flow, reconcile=reconcile)


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Apply a batch of job events; or, when the schedule calls, reconcile and answer with what was repaired."""
    if "Records" in event:
        return _parts().flow.process(event["Records"]).response()
    return _parts().reconcile.run(at=datetime.now(UTC))
