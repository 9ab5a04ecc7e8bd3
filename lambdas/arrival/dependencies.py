"""The arrival function's dependencies: clients of AWS, the ledger, and the names of the deployment's resources."""

from typing import Any, NamedTuple

from dropbatch.contract.deployment import Deployment
from lambdas.common.control_objects import ControlObjects
from lambdas.ledger.table import Ledger

__all__ = ["Dependencies"]


class Dependencies(NamedTuple):
    """Made once, at the cold start, and passed to every part of the function. Clients are boto3's."""

    ledger: Ledger
    objects: ControlObjects
    s3: Any
    batch: Any
    """Never repeats a call by itself: SubmitJob has no idempotency token."""
    sqs: Any
    events: Any
    deployment: Deployment
    bucket: str
    """Name of the output bucket, which has manifests, fences and rejections."""
    arrival_url: str
    """The arrival queue."""
    dead_letter_url: str
    """The queue for messages that cannot be understood."""
