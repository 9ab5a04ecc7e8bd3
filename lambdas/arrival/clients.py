"""The AWS services that the arrival function talks to."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Clients"]


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Clients of boto3. `batch` must never repeat a call by itself: SubmitJob has no idempotency token."""

    dynamodb: Any
    s3: Any
    batch: Any
    sqs: Any
    events: Any
