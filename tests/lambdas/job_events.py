"""Events of AWS Batch about jobs, as the run-events function receives them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.lambdas.conftest import sqs_record
from tests.lambdas.simulated_aws import SimulatedAws

LATER = datetime.now(UTC) + timedelta(days=1)
RECLAIMED = "Host EC2 (instance i-1) terminated."
NO_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested"
CONTAINER = {
    "resourceRequirements": [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "2048"}],
    "image": "repository:wordcount-1",
}


def event(job: dict[str, Any], status: str, message_id: str = "e1", **detail: Any) -> dict[str, Any]:
    """Return an SQS record of a Batch job state change."""
    return sqs_record(
        {
            "source": "aws.batch",
            "detail": {"jobName": job["jobName"], "jobId": job["jobId"], "status": status, **detail},
        },
        message_id,
    )


def told(aws: SimulatedAws) -> list[str]:
    """Return the states of the published run events, in order."""
    return [json.loads(entry["Detail"])["state"] for entry in aws.events.entries]


def tries(*seconds: float, reason: str = "") -> list[dict[str, Any]]:
    """Return attempts of a job, each of so many seconds."""
    return [
        {"startedAt": 1_700_000_000_000, "stoppedAt": 1_700_000_000_000 + int(each * 1000), "statusReason": reason}
        for each in seconds
    ]


def failed(job: Mapping[str, Any], reason: str, message_id: str = "e", **detail: Any) -> dict[str, Any]:
    """Return an SQS record of a failed job."""
    container = {**CONTAINER, **detail.pop("container", {})}
    return event(dict(job), "FAILED", message_id, statusReason=reason, container=container, **detail)
