"""What surrounds the arrival function: services of AWS, names of the deployment's resources, and the time."""

from typing import Any, NamedTuple

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment

__all__ = ["Surroundings"]


class Surroundings(NamedTuple):
    """Made once, at the cold start, and handed to every part of the function. Services are clients of boto3."""

    dynamodb: Any
    s3: Any
    batch: Any
    """Never repeats a call by itself: SubmitJob has no idempotency token."""
    sqs: Any
    events: Any
    deployment: Deployment
    table: str
    """Name of the ledger."""
    bucket: str
    """Name of the output bucket, where manifests, fences and replies are."""
    arrival_url: str
    """The arrival queue."""
    dead_letter_url: str
    """Where poison goes."""
    clock: ledger.Clock = ledger.utc_now
