"""Put request objects in the input bucket, and find the runs they start."""

import json
from typing import Any

from dropbatch.contract.runs import State
from tests.e2e.lab import Lab


def put(lab: Lab, key: str, body: Any) -> None:
    """Put an object in the input bucket: bytes as they are, other values as JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    lab.s3.put_object(Bucket=lab.pointers["input_bucket"], Key=key, Body=text)


def asked_for(lab: Lab, key: str) -> list[dict[str, Any]]:
    """Return the runs that a request started."""
    return [run for run in lab.runs() if run.get("request") == key and run["state"] != State.REJECTED]
