"""Entry point of the run events function: job events from its queue, and the schedule of reconcile."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

from lambdas.common import wiring
from lambdas.run_events.assembly import Clients, Parts, assemble

__all__ = ["handle"]

log = wiring.logger()


@cache
def _parts() -> Parts:
    table, bucket, arrival_url, topic_arn = wiring.variables(
        "LEDGER_TABLE", "OUTPUT_BUCKET", "ARRIVAL_QUEUE_URL", "PEOPLE_TOPIC_ARN"
    )
    names = ("dynamodb", "s3", "events", "batch", "sqs", "sns")
    clients = Clients(**{name: wiring.client(name) for name in names})
    return assemble(
        clients,
        wiring.deployment(),
        table=table,
        bucket=bucket,
        arrival_url=arrival_url,
        topic_arn=topic_arn,
        contacts_arn=os.environ.get("CONTACTS_TOPIC_ARN", ""),
    )


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Process a batch of job events; or, if invoked by the schedule, reconcile and return the numbers of repairs."""
    spent = wiring.time_spent(context)
    if "Records" in event:
        return _parts().flow.process(event["Records"], spent=spent).response()
    return _parts().reconcile.run(at=datetime.now(UTC), spent=spent)
