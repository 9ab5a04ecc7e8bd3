"""Run the functions' real code on simulated AWS, where each AWS call may kill the invocation.

Invocations are greenlets that switch at each AWS call. One seed determines everything: which invocation continues,
which is killed before or after a call took effect, which call is throttled, which answer is lost, which message or
event arrives twice, late or never, which invocation is delayed beyond its lease, and when ListJobs does not show a job
yet. After this storm follows a calm phase, in which reconcile must bring every file to exactly one result.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from greenlet import getcurrent, greenlet

from dropbatch.contract import keys
from dropbatch.contract.deployment import Limit, Pipeline
from dropbatch.contract.limits import VCPU_MS
from dropbatch.contract.manifest import Manifest, RunSpec
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.flow import ArrivalFlow
from lambdas.common.control_objects import ControlObjects
from lambdas.ledger.table import Ledger
from lambdas.run_events.assembly import Clients as RunEventsClients
from lambdas.run_events.assembly import assemble
from lambdas.run_events.flow import RunEventsFlow
from lambdas.run_events.reconcile import Reconcile, UnrepairedError
from tests.lambdas.conftest import DEPLOYMENT, OUTPUT, definitions
from tests.lambdas.crash.faulty_aws import NO_CHECK, FaultyBatch, FaultyClient, Invocation, KilledError, Weather
from tests.lambdas.crash.simulated_users import SimulatedUsers
from tests.lambdas.simulated_aws import DynamoDB, SimulatedAws

CHAINED = DEPLOYMENT._replace(
    pipelines={
        "wordcount": DEPLOYMENT.pipelines["wordcount"],
        "plot": Pipeline(pools=("spot", "ondemand"), definitions={"lab": "dropbatch-test-plot-lab"}, after="wordcount"),
    },
)
RUN_NEEDS = 3_600_000
"""Maximum usage of one run in vCPU-milliseconds."""
_LAST_POOL = CHAINED.pools["ondemand"].queue
SAFEGUARDS = frozenset({"claim", "lease", "fence", "no retry of SubmitJob"})
_LAG = timedelta(seconds=30)
_TIMEOUT = timedelta(seconds=60)  # after which Lambda ends an invocation


class World:
    """One schedule."""

    def __init__(self, seed: int, *, files: int, safeguards: frozenset[str] = SAFEGUARDS) -> None:
        self.random = random.Random(seed)  # noqa: S311
        roughness = self.random.choice([0.3, 1.0, 3.0])
        self.weather = {fault: likelihood * roughness for fault, likelihood in asdict(Weather()).items()}
        self.calm = False
        self.safeguards = safeguards
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.lag = _LAG if self.random.random() < Weather.lag else timedelta(0)
        self.excuses = 0
        self.aws = SimulatedAws(check=NO_CHECK)
        self.aws.batch = self.batch = FaultyBatch(self)
        self.batch.definitions = definitions(CHAINED)
        if "claim" not in safeguards:
            self.aws.dynamodb.transact_write_items = self._unconditional_claim  # type: ignore[method-assign]
        self.buried: list[str] = []
        self.manifests: dict[str, Manifest] = {}
        self.messages: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.invocations: list[Invocation] = []
        self.executions: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.completions: Counter[str] = Counter()
        self._scheduler = getcurrent()
        self._numbers = iter(range(1_000_000))
        self.users = SimulatedUsers(self, files)
        # A third of the schedules has no limit, a third has one that is large enough, and a third has one that may be
        # too small. The last ones make no requests, whose expectations do not consider rejected runs.
        enough = None if seed % 3 == 0 else 1000 if seed % 3 == 1 or self.users.makes_requests else 3
        self.limit = None if enough is None else Limit(VCPU_MS, enough * RUN_NEEDS)
        self.deployment = CHAINED._replace(limits={} if self.limit is None else {"lab": self.limit})

    # Faults at each AWS call

    def chance(self, fault: str) -> bool:
        return not self.calm and self.random.random() < self.weather[fault]

    def reach(self, invocation: Invocation) -> None:
        """Switch to another invocation; this one may be killed, delayed, or time out here."""
        self.now += timedelta(seconds=0.001 + 0.049 * self.random.random())
        timed_out = invocation.frozen_until is None and self.now - invocation.started > _TIMEOUT
        if timed_out or self.chance("kill"):
            raise KilledError
        if self.chance("hold_up"):
            invocation.frozen_until = self.now + DEPLOYMENT.lease * 1.1
            self.excuses += 1
        self._scheduler.switch()

    # Messages, events and jobs

    def send(self, body: str) -> None:
        for _ in range(1 + self.chance("double")):
            self.messages.append({"messageId": f"m{next(self._numbers)}", "body": body})

    def _sent(self, **call: Any) -> None:
        if call["QueueUrl"] == "arrivals":
            self.send(call["MessageBody"])
        else:
            self.buried.append(call["MessageBody"])

    def deliver(self) -> None:
        """Start an arrival function with some messages."""
        self.random.shuffle(self.messages)
        batch = self.messages[: self.random.randint(1, 4)]
        del self.messages[: len(batch)]
        answered: list[set[str]] = []

        def work(invocation: Invocation) -> None:
            answered.append(self._arrival(invocation).process(batch).ids)

        def done() -> None:
            # Without an answer all messages become visible again, as they do in SQS.
            self.messages += [one for one in batch if not answered or one["messageId"] in answered[0]]

        self._start(work, done)

    def deliver_events(self) -> None:
        """Start a run events function with some events, in any order."""
        self.random.shuffle(self.events)
        batch = self.events[: self.random.randint(1, 4)]
        del self.events[: len(batch)]
        answered: list[set[str]] = []

        def work(invocation: Invocation) -> None:
            answered.append(self._run_events(invocation)[0].process(batch).ids)

        def done() -> None:
            self.events += [one for one in batch if not answered or one["messageId"] in answered[0]]

        self._start(work, done)

    def reconcile(self) -> None:
        # Without the lease, all runs count as idle at once.
        at = self.now if "lease" in self.safeguards else self.now + DEPLOYMENT.lease * 2

        def work(invocation: Invocation) -> None:
            self._run_events(invocation)[1].run(at=at)

        self._start(work, lambda: None)

    def work_on_job(self) -> bool:
        """Advance one job by one step; return whether there was one."""
        open_jobs = [child for child in self.batch.children.values() if child["status"] in ("RUNNABLE", "RUNNING")]
        if not open_jobs:
            return False
        child = self.random.choice(open_jobs)
        if child["status"] == "RUNNABLE" and self.chance("no_capacity"):
            child |= {"status": "FAILED", "reason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"}
            self.emit(child)
            return True
        run = self.run_of(child)
        fence = OUTPUT, keys.started_key(run.group, run.pipeline, run.run_id, run.attempt)
        owner = self.aws.s3.objects.setdefault(fence, child["jobId"].encode()).decode()
        if owner != child["jobId"] and "fence" in self.safeguards:
            child |= {"status": "FAILED", "exit": 75}
        else:
            self.executions[run.run_id, run.attempt].add(child["jobId"])
            child |= {"status": "SUCCEEDED" if child["status"] == "RUNNING" else "RUNNING", "ran": True}
            self.completions[run.run_id] += child["status"] == "SUCCEEDED"
            # A run that is reclaimed on the last pool would fail.
            if child["status"] == "RUNNING" and child["job"]["jobQueue"] != _LAST_POOL and self.chance("reclaim"):
                child |= {"status": "FAILED", "reason": "Host EC2 (instance i-1) terminated."}
        self.emit(child)
        return True

    def emit(self, child: Mapping[str, Any]) -> None:
        body = json.dumps({"detail": self.batch.detail(child["jobId"])})
        for _ in range((not self.chance("drop_event")) * (1 + self.chance("double"))):
            self.events.append({"messageId": f"e{next(self._numbers)}", "body": body})

    def run_of(self, child: Mapping[str, Any]) -> RunSpec:
        uri = child["job"]["containerOverrides"]["environment"][0]["value"]
        index: int = child["index"]
        if uri not in self.manifests:
            self.manifests[uri] = Manifest.from_json(self.aws.s3.objects[keys.split_uri(uri)])
        return self.manifests[uri].runs[index]

    def cancelled_before_start(self) -> int:
        """Return the number of attempts whose fence a cancellation took."""
        return sum(body.startswith(b"cancelled:") for body in self.aws.s3.objects.values())

    # Invocations

    def _start(self, work: Callable[[Invocation], None], done: Callable[[], None]) -> None:
        invocation = Invocation(work=work, done=done, started=self.now)

        def body() -> None:
            try:
                work(invocation)
            except (KilledError, ClientError, BotoCoreError, UnrepairedError):
                pass  # killed, or ended with an error: Lambda gets no answer in both cases
            finally:
                self.invocations.remove(invocation)
                done()

        invocation.run = greenlet(body)
        self.invocations.append(invocation)

    def step(self) -> bool:
        """Continue one invocation until its next call; return whether there was one."""
        ready = [one for one in self.invocations if one.frozen_until is None or one.frozen_until <= self.now]
        if not ready:
            return False
        self.random.choice(ready).run.switch()
        return True

    def _client(self, invocation: Invocation, service: Any, *, retry: bool = True) -> Any:
        return FaultyClient(self, invocation, service, 3 if retry else 1)

    def _arrival(self, invocation: Invocation) -> ArrivalFlow:
        aws = self.aws
        return ArrivalFlow(
            Dependencies(
                ledger=Ledger(self._client(invocation, self._without_lease()), "ledger", clock=lambda: self.now),
                objects=ControlObjects(self._client(invocation, aws.s3), OUTPUT),
                s3=self._client(invocation, aws.s3),
                batch=self._client(invocation, aws.batch, retry="no retry of SubmitJob" not in self.safeguards),
                sqs=self._client(invocation, SimpleNamespace(name="sqs", send_message=self._sent)),
                events=self._client(invocation, aws.events),
                deployment=self.deployment,
                bucket=OUTPUT,
                arrival_url="arrivals",
                dead_letter_url="dead",
            )
        )

    def _run_events(self, invocation: Invocation) -> tuple[RunEventsFlow, Reconcile]:
        aws = self.aws
        clients = RunEventsClients(
            dynamodb=self._client(invocation, aws.dynamodb),
            s3=self._client(invocation, aws.s3),
            events=self._client(invocation, aws.events),
            batch=self._client(invocation, aws.batch),
            sqs=self._client(invocation, SimpleNamespace(name="sqs", send_message=self._sent)),
            sns=self._client(invocation, aws.sns),
        )
        parts = assemble(
            clients,
            self.deployment,
            table="ledger",
            bucket=OUTPUT,
            arrival_url="arrivals",
            topic_arn="people",
            clock=lambda: self.now,
            sleep=lambda seconds: None,
        )
        return parts.flow, parts.reconcile

    # Removed safeguards

    def _unconditional_claim(self, **call: Any) -> dict[str, Any]:
        for step in call["TransactItems"]:
            if "Put" not in step:
                return DynamoDB.transact_write_items(self.aws.dynamodb, **call)
            self.aws.dynamodb.put_item(Item=step["Put"]["Item"])
        return {}

    def _without_lease(self) -> Any:
        if "lease" in self.safeguards:
            return self.aws.dynamodb
        table = self.aws.dynamodb

        def update_item(**call: Any) -> dict[str, Any]:
            condition = call.get("ConditionExpression", "").removesuffix(" AND lease_until = :old")
            return table.update_item(**(call | {"ConditionExpression": condition}))

        names = ("name", "get_item", "batch_get_item", "put_item", "transact_write_items", "exceptions")
        return SimpleNamespace(update_item=update_item, **{name: getattr(table, name) for name in names})
