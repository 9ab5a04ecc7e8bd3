import json
import urllib.parse
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment, Pipeline, Pool
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.flow import ArrivalFlow
from lambdas.common.control_objects import ControlObjects
from lambdas.ledger.table import Ledger
from lambdas.run_events import assembly
from tests.lambdas.simulated_aws import SimulatedAws

INPUT = "in-bucket"
OUTPUT = "out-bucket"

DEPLOYMENT = Deployment(
    environment="test",
    region="eu-central-1",
    groups=("lab", "neuro"),
    pipelines={
        "wordcount": Pipeline(
            pools=("spot", "ondemand"),
            definitions={"lab": "dropbatch-test-wordcount-lab", "neuro": "dropbatch-test-wordcount-neuro"},
        ),
        "sort": Pipeline(
            pools=("spot",),
            definitions={"lab": "dropbatch-test-sort-lab", "neuro": "dropbatch-test-sort-neuro"},
            suffixes=(".dat",),
        ),
        "byfolder": Pipeline(pools=("spot",), definitions={"lab": "dropbatch-test-byfolder-lab"}, trigger="folder"),
        "byrequest": Pipeline(pools=("spot",), definitions={"lab": "dropbatch-test-byrequest-lab"}, trigger="submit"),
    },
    pools={
        "spot": Pool(queue="dropbatch-test-spot", spot=True),
        "ondemand": Pool(queue="dropbatch-test-ondemand", spot=False),
    },
)


def s3_record(key: str, *, version: str | None = "v1", size: int = 3, bucket: str = INPUT) -> dict[str, Any]:
    """A record in S3's format, with the key encoded like form data."""
    thing: dict[str, Any] = {"key": urllib.parse.quote_plus(key, safe="/"), "size": size, "eTag": "e"}
    if version is not None:
        thing["versionId"] = version
    return {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": thing}}


def sqs_record(body: Any, message_id: str = "m1") -> dict[str, Any]:
    return {"messageId": message_id, "body": body if isinstance(body, str) else json.dumps(body)}


def dropped(*keys: str, message_id: str = "m1") -> dict[str, Any]:
    """A message of the arrival queue about dropped files."""
    return sqs_record({"Records": [s3_record(key) for key in keys]}, message_id)


@pytest.fixture
def aws() -> SimulatedAws:
    simulated = SimulatedAws()
    simulated.batch.definitions = definitions()
    return simulated


def definitions(deployment: Deployment = DEPLOYMENT) -> dict[str, int]:
    """Job definitions of a deployment, each with one revision."""
    return {name: 1 for pipeline in deployment.pipelines.values() for name in pipeline.definitions.values()}


@pytest.fixture
def arrival(aws: SimulatedAws) -> ArrivalFlow:
    return make_arrival(aws)


def make_arrival(
    aws: SimulatedAws, deployment: Deployment = DEPLOYMENT, *, clock: ledger.Clock = ledger.utc_now
) -> ArrivalFlow:
    """Return the arrival function on simulated services."""
    return ArrivalFlow(
        Dependencies(
            ledger=Ledger(aws.dynamodb, "ledger", clock=clock),
            objects=ControlObjects(aws.s3, OUTPUT),
            s3=aws.s3,
            batch=aws.batch,
            sqs=aws.sqs,
            events=aws.events,
            deployment=deployment,
            bucket=OUTPUT,
            arrival_url="arrivals",
            dead_letter_url="dead",
        )
    )


def run_events(aws: SimulatedAws, deployment: Deployment = DEPLOYMENT, **more: Any) -> assembly.Parts:
    """Return the run-events function on simulated services."""
    clients = assembly.Clients(
        dynamodb=aws.dynamodb, s3=aws.s3, events=aws.events, batch=aws.batch, sqs=aws.sqs, sns=aws.sns
    )
    return assembly.assemble(
        clients,
        deployment,
        table="ledger",
        bucket=OUTPUT,
        arrival_url="arrivals",
        topic_arn="people",
        sleep=lambda seconds: None,
        **more,
    )
