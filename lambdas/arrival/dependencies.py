"""The arrival function's dependencies: AWS clients, the ledger, and names of the deployment's resources."""

from typing import Any, NamedTuple

from dropbatch.contract.deployment import Deployment
from lambdas.common.control_objects import ControlObjects
from lambdas.ledger.table import Ledger

__all__ = ["Dependencies"]


class Dependencies(NamedTuple):
    """Created once at the cold start, and passed to every part of the function. Clients are boto3 clients."""

    ledger: Ledger
    objects: ControlObjects
    s3: Any
    batch: Any
    """Without retries: SubmitJob has no idempotency token, so a repeated call could start a second job."""
    sqs: Any
    events: Any
    deployment: Deployment
    bucket: str
    """Name of the output bucket, which also holds manifests, fences and rejections."""
    arrival_url: str
    """URL of the arrival queue."""
    dead_letter_url: str
    """URL of the queue for messages that cannot be read."""
