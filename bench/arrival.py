"""Measure how long the arrival function needs to admit 100,000 files that arrive at once.

The real arrival function takes messages as S3 writes them, in batches as Lambda hands them over (6 MB), against
services in memory that keep AWS's limits on a simulated clock. The clock also runs while the function computes: its
real CPU time is charged. Side by side, under the same limits, the usual way of file triggers: one SubmitJob for each
S3 record.

The model, with AWS's published figures where there are any:
- SubmitJob: 50 a second in an account (Batch quota); who comes too soon waits its turn.
- DynamoDB: a new on-demand table takes 4,000 write units a second; an item in a transaction costs two.
- Latency of a call: 10 ms for DynamoDB, 15 ms for each 25 items of a transaction on top, 30 ms for S3, 50 ms for Batch.
- Lambda polls a queue with 5 invocations at once to begin with; the benchmark stays there, though AWS adds more.
"""

import heapq
import io
import json
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from dropbatch.contract.deployment import Deployment, Pipeline, Pool
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.flow import ArrivalFlow
from lambdas.common.control_objects import ControlObjects
from lambdas.ledger.table import Ledger

FILES = 100_000
LANES = 5
EVENT_BYTES = 6 * 1024 * 1024
SUBMITS_PER_SECOND = 50
WRITES_PER_SECOND = 4000
LATENCY = {"dynamodb": 0.010, "transaction": 0.015 / 25, "s3": 0.030, "batch": 0.050}

TARGET_RATIO = 30
TARGET_CPU_MS = 1.0
TARGET_MEMORY_MIB = 256


class Clock:
    """Simulated time of one invocation: simulated latencies and waits, plus its real CPU time."""

    def __init__(self, now: float) -> None:
        self._waited = now
        self._cpu = time.process_time()

    @property
    def now(self) -> float:
        """Seconds since the flood began."""
        return self._waited + time.process_time() - self._cpu

    def wait(self, seconds: float) -> None:
        """Advance the clock by some seconds."""
        self._waited += seconds

    def wait_until(self, moment: float) -> None:
        """Advance the clock to a time, unless that has passed."""
        self.wait(max(0.0, moment - self.now))


class Limit:
    """A rate limit of the account: units per second; a call waits for the next second with units left."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._used: Counter[int] = Counter()
        self._next_free: dict[int, int] = {}

    def take(self, clock: Clock, units: int = 1) -> None:
        """Wait for a free unit, and use it."""
        second = self._free_from(int(clock.now))
        self._used[second] += units
        if self._used[second] >= self._per_second:
            self._next_free[second] = second + 1
        clock.wait_until(second)

    def _free_from(self, second: int) -> int:
        passed = []
        while second in self._next_free:
            passed.append(second)
            second = self._next_free[second]
        for full in passed:
            self._next_free[full] = second
        return second


class _Raw(io.BytesIO):
    """A response body with the interface that botocore reads."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        """Yield the complete body."""
        yield self.getvalue()


class Aws:
    """Simulated services for real SDK clients: their CPU time for serializing and signing counts, nothing is sent."""

    def __init__(self) -> None:
        self.clock = Clock(0)
        self.submits = Limit(SUBMITS_PER_SECOND)
        self.writes = Limit(WRITES_PER_SECOND)
        self.claims = 0
        self.jobs: list[int] = []
        # Fake credentials: the signed requests are not sent.
        self._session: Any = boto3.Session("AKIDEXAMPLE", "nothing", region_name="eu-central-1")

    def client(self, service: str) -> Any:
        """Return a real client of a service whose requests this object answers."""
        client: Any = self._session.client(service, config=Config(retries={"total_max_attempts": 1}))
        client.meta.events.register("before-send", self._answer)
        return client

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        target = request.headers.get("X-Amz-Target", "")
        operation = str(target).strip("b'").rpartition(".")[2] or request.url.rpartition("/")[2]
        body = getattr(self, f"_{operation.lower()}", self._s3)(request.body)
        return AWSResponse(
            request.url, 200, HTTPHeaders(), _Raw(json.dumps(body).encode() if body is not None else b"")
        )

    def _s3(self, body: Any) -> None:
        self.clock.wait(LATENCY["s3"])

    def _getitem(self, body: bytes) -> dict[str, Any]:
        self.clock.wait(LATENCY["dynamodb"])
        return {}

    def _batchgetitem(self, body: bytes) -> dict[str, Any]:
        self.clock.wait(LATENCY["dynamodb"])
        return {"Responses": {}, "UnprocessedKeys": {}}

    def _putitem(self, body: bytes) -> dict[str, Any]:
        self.writes.take(self.clock)
        self.clock.wait(LATENCY["dynamodb"])
        return {}

    _updateitem = _putitem

    def _transactwriteitems(self, body: bytes) -> dict[str, Any]:
        items = body.count(b'{"Put":')
        self.claims += items
        self.writes.take(self.clock, units=2 * items)
        self.clock.wait(LATENCY["dynamodb"] + LATENCY["transaction"] * items)
        return {}

    def _describejobdefinitions(self, body: bytes) -> dict[str, Any]:
        self.clock.wait(LATENCY["batch"])
        return {"jobDefinitions": [{"revision": 1}]}

    def _submitjob(self, body: bytes) -> dict[str, Any]:
        self.submits.take(self.clock)
        self.clock.wait(LATENCY["batch"])
        self.jobs.append(json.loads(body).get("arrayProperties", {}).get("size", 1))
        return {"jobId": f"job-{len(self.jobs)}", "jobName": "name"}


DEPLOYMENT = Deployment(
    environment="bench",
    region="eu-central-1",
    groups=("lab",),
    pipelines={"wordcount": Pipeline(pools=("spot",), definitions={"lab": "dropbatch-bench-wordcount-lab"})},
    pools={"spot": Pool(queue="dropbatch-bench-spot", spot=True)},
)


def message(number: int) -> dict[str, Any]:
    """Return a message of the arrival queue as S3 and Lambda format it, with invented names and ids."""
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-11-20T12:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AROAEXAMPLEEXAMPLE:researcher"},
        "requestParameters": {"sourceIPAddress": "192.0.2.7"},
        "responseElements": {"x-amz-request-id": f"{number:016X}", "x-amz-id-2": "e" * 76},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "created",
            "bucket": {
                "name": "dropbatch-bench-input-20261120120000000000000001",
                "ownerIdentity": {"principalId": "A3EXAMPLE"},
                "arn": "arn:aws:s3:::dropbatch-bench-input-20261120120000000000000001",
            },
            "object": {
                "key": f"lab/wordcount/session-{number % 97:03d}/recording+{number:07d}.dat",
                "size": 1_048_576 + number,
                "eTag": f"{number:032x}",
                "versionId": f"{number:032x}",
                "sequencer": f"{number:016X}",
            },
        },
    }
    return {
        "messageId": f"{number:032x}",
        "receiptHandle": "h" * 180,
        "body": json.dumps({"Records": [record]}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795521600000", "SenderId": "s" * 30},
        "messageAttributes": {},
        "md5OfBody": "0" * 32,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:dropbatch-bench-arrivals",
        "awsRegion": "eu-central-1",
    }


def events(files: int) -> Iterator[list[dict[str, Any]]]:
    """Split the messages into batches of at most 6 MB, as Lambda does."""
    batch: list[dict[str, Any]] = []
    size = 0
    for number in range(files):
        one = message(number)
        length = len(json.dumps(one))
        if size + length > EVENT_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += length
    yield batch


def ours(files: int) -> dict[str, float]:
    """Admit the files with the arrival function; return simulated seconds, CPU seconds per file and jobs."""
    aws = Aws()
    services = {name: aws.client(name) for name in ("dynamodb", "s3", "batch", "sqs", "events")}
    flow = ArrivalFlow(
        Dependencies(
            ledger=Ledger(services.pop("dynamodb"), "ledger"),
            objects=ControlObjects(services["s3"], "out"),
            **services,
            deployment=DEPLOYMENT,
            bucket="out",
            arrival_url="arrivals",
            dead_letter_url="dead",
        )
    )
    lanes = [0.0] * LANES
    cpu = []
    for batch in events(files):
        aws.clock = Clock(heapq.heappop(lanes))
        before = time.process_time()
        failures = flow.process(batch)
        cpu.append((time.process_time() - before) / len(batch))
        assert not failures.ids
        heapq.heappush(lanes, aws.clock.now)
    assert sum(aws.jobs) == aws.claims == files
    return {"seconds": max(lanes), "cpu": statistics.mean(cpu), "jobs": len(aws.jobs)}


def one_job_per_record(files: int) -> dict[str, float]:
    """Admit the files with one SubmitJob each, under the same limits."""
    aws = Aws()
    batch_client = aws.client("batch")
    lanes = [0.0] * LANES
    for batch in events(files):
        aws.clock = Clock(heapq.heappop(lanes))
        for one in batch:
            for record in json.loads(one["body"])["Records"]:
                place = f"s3://{record['s3']['bucket']['name']}/{record['s3']['object']['key']}"
                batch_client.submit_job(
                    jobName="file",
                    jobQueue="queue",
                    jobDefinition="definition",
                    containerOverrides={"command": ["run", place]},
                )
        heapq.heappush(lanes, aws.clock.now)
    return {"seconds": max(lanes), "jobs": len(aws.jobs)}


def main() -> int:
    """Run both, print the figures, and return 1 if a target is missed."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else FILES
    mine = ours(files)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    theirs = one_job_per_record(files)
    ratio = theirs["seconds"] / mine["seconds"]
    print(f"{files:,} files, {LANES} invocations at once, simulated AWS limits")
    print(f"  one SubmitJob per record  {theirs['seconds']:9.1f} s  {theirs['jobs']:9,.0f} jobs")
    print(f"  dropbatch                 {mine['seconds']:9.1f} s  {mine['jobs']:9,.0f} jobs")
    print(f"  ratio                     {ratio:9.1f} ×   (target ≥ {TARGET_RATIO})")
    print(f"  CPU per file              {mine['cpu'] * 1000:9.3f} ms  (target ≤ {TARGET_CPU_MS})")
    print(f"  peak memory               {memory:9.0f} MiB (target ≤ {TARGET_MEMORY_MIB})")
    million = 1_000_000 / files
    print(f"  extrapolated to 1,000,000: {mine['seconds'] * million / 60:.0f} min against ", end="")
    print(f"{theirs['seconds'] * million / 3600:.1f} h")
    missed = ratio < TARGET_RATIO or mine["cpu"] * 1000 > TARGET_CPU_MS or memory > TARGET_MEMORY_MIB
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
