import json
from collections.abc import Mapping
from typing import Any

import pytest

from dropbatch.contract.runs import State, order
from lambdas.arrival.flow import ArrivalFlow
from tests.lambdas.conftest import INPUT, OUTPUT, s3_record, sqs_record
from tests.lambdas.simulated_aws import SimulatedAws


class Bench:
    """A group's members upload files, and the arrival function processes the resulting messages."""

    def __init__(self, aws: SimulatedAws, arrival: ArrivalFlow) -> None:
        self.aws = aws
        self.arrival = arrival
        self.delivered = 0

    def upload(self, *keys: str, bucket: str = INPUT) -> None:
        for key in keys:
            self.aws.s3.objects[bucket, key] = b"data"

    def ask(self, body: Any, key: str = "lab/submissions/submit.json", *, version: str = "v1", again: int = 1) -> None:
        """Upload a request and process it to its end."""
        self.aws.s3.objects[INPUT, key] = body if isinstance(body, bytes) else json.dumps(body).encode()
        record = s3_record(key, version=version, size=len(self.aws.s3.objects[INPUT, key]))
        for number in range(again):
            self.deliver(json.dumps({"Records": [record]}), f"m{number}")
            self.drain()

    def deliver(self, body: str, message_id: str = "m1") -> None:
        assert not self.arrival.process([sqs_record(body, message_id)]).ids

    def drain(self) -> None:
        """Deliver what was sent to the arrival queue until nothing is left."""
        while self.aws.sqs.sent:
            message = self.aws.sqs.sent.pop(0)
            assert message["QueueUrl"] == "arrivals", message
            self.delivered += 1
            self.deliver(message["MessageBody"], f"s{self.delivered}")

    def runs(self, *, rejected: bool = False) -> list[dict[str, Any]]:
        return [run for run in self.aws.dynamodb.runs() if (run["state"] == "REJECTED") == rejected]

    def run(self, run_id: str) -> dict[str, Any]:
        return self.aws.dynamodb.plain(f"lab#{run_id}")

    def refusal(self, key: str = "lab/submissions/submit.json") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.aws.s3.objects[OUTPUT, f"{key}/_rejected.json"])
        return found

    def faults(self, key: str = "lab/submissions/submit.json") -> dict[str, str]:
        return {each["place"]: each["fault"] for each in self.refusal(key)["faults"]}

    def overwrite(self, run: Mapping[str, Any], **fields: str) -> None:
        """Write fields as run events would, with the order that follows from the state."""
        item = self.aws.dynamodb.items[run["id"]]
        item |= {name: {"S": value} for name, value in fields.items()}
        item["order"] = {"N": str(order(int(item["attempt"]["N"]), State(item["state"]["S"])))}


@pytest.fixture
def bench(aws: SimulatedAws, arrival: ArrivalFlow) -> Bench:
    return Bench(aws, arrival)
