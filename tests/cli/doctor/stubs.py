"""Stub clients: their answers have AWS's shapes, checked by botocore, and any other call fails."""

from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.stub import Stubber

from dropbatch.cli.deployed import Description
from dropbatch.cli.doctor import Check, Finding, PoolNeed, Subject, examine
from dropbatch.contract.parameter import PipelineNeeds

REGION = "eu-central-1"
SPOT = PoolNeed(name="spot", spot=True, max_vcpus=64, instance_types=("m6i", "c6i.large"))
ON_DEMAND = PoolNeed(name="ondemand", spot=False, max_vcpus=16, instance_types=("m6i",))
GPU = PoolNeed(name="gpu", spot=False, max_vcpus=8, instance_types=("g5",))
DESCRIPTION = Description(
    environment="dev",
    region=REGION,
    input_bucket="in",
    output_bucket="out",
    ledger_table="ledger",
    log_group="logs",
    groups=("lab",),
    needs={"wordcount": PipelineNeeds(vcpus=1, memory_mib=512, timeout_minutes=60, tries=1)},
    pools={"spot": "dropbatch-dev-spot"},
    operators_topic_arn="arn:aws:sns:eu-central-1:123456789012:dropbatch-dev-operators",
)


@dataclass
class Stubs:
    """Answers by service, in the order of the calls."""

    clients: dict[str, Any] = field(default_factory=dict)
    stubbers: dict[str, Stubber] = field(default_factory=dict)
    regions: dict[str, str] = field(default_factory=dict)
    """The region of the calls to each service."""

    def _stubber(self, service: str) -> Stubber:
        if service not in self.clients:
            make: Any = boto3.client
            client = make(service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
            self.clients[service] = client
            self.stubbers[service] = Stubber(client)
            self.stubbers[service].activate()
        return self.stubbers[service]

    def answer(self, service: str, method: str, answer: dict[str, Any], **expected: Any) -> "Stubs":
        self._stubber(service).add_response(method, answer, expected or None)
        return self

    def fail(self, service: str, method: str, code: str, message: str = "the message") -> "Stubs":
        self._stubber(service).add_client_error(method, code, message)
        return self

    def client(self, service: str, *, region: str = REGION) -> Any:
        self.regions[service] = region
        self._stubber(service)
        return self.clients[service]

    def subject(self, **more: Any) -> Subject:
        pools = more.pop("pools", [SPOT, ON_DEMAND])
        fixed: dict[str, Any] = {"environment": "dev", "region": REGION, "client": self.client}
        return Subject(find_pools=lambda: pools, **(fixed | more))

    def look(self, check: Check, **more: Any) -> list[Finding]:
        """Return the findings of a check; every stubbed answer must have been requested."""
        found = list(examine([check], self.subject(**more)))
        for stubber in self.stubbers.values():
            stubber.assert_no_pending_responses()
        return found
