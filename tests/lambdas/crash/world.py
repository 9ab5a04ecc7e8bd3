"""The functions' real code on simulated AWS, where every call to AWS may be the last of its invocation.

Invocations are greenlets that switch at each call. One seed decides everything: which invocation continues, which is
killed before or after a call took effect, which call is throttled, which answer is lost, which message or event arrives
twice, late or never, who is delayed beyond its lease, and when ListJobs does not list a job yet. Then all failures end,
and reconcile must bring every file to its one result.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
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
from tests.lambdas.crash.simulated_users import SimulatedUsers
from tests.lambdas.simulated_aws import Batch, DynamoDB, SimulatedAws, error
from tests.request_checks import Check, check_once, operation_named

CHAINED = DEPLOYMENT._replace(
    pipelines={
        "wordcount": DEPLOYMENT.pipelines["wordcount"],
        "plot": Pipeline(pools=("spot", "ondemand"), definitions={"lab": "dropbatch-test-plot-lab"}, after="wordcount"),
    },
)
RUN_NEEDS = 3_600_000
"""vCPU-milliseconds that one run may use."""
_LAST_POOL = CHAINED.pools["ondemand"].queue
SAFEGUARDS = frozenset({"claim", "lease", "fence", "no retry of SubmitJob"})
_LAG = timedelta(seconds=30)
_NO_CHECK: Check = lambda *request: None  # noqa: E731 -- the client of an invocation does it
_TIMEOUT = timedelta(seconds=60)  # of the functions; Lambda ends them then


class KilledError(BaseException):
    """The process was killed; no handler of ours may catch this."""


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Probability of each fault at each of its occasions."""

    kill: float = 0.01
    throttle: float = 0.03
    lose_answer: float = 0.04
    hold_up: float = 0.003
    double: float = 0.15
    drop_event: float = 0.15
    lag: float = 0.3
    reclaim: float = 0.15
    no_capacity: float = 0.08
    refuse: float = 0.05


@dataclass
class _Invocation:
    work: Callable[["_Invocation"], None]
    done: Callable[[], None]
    started: datetime
    run: greenlet = field(init=False)
    frozen_until: datetime | None = None


class _Client:
    """A service as one invocation's SDK client sees it: with faults, and with the SDK's retries."""

    def __init__(self, world: "World", invocation: _Invocation, service: Any, tries: int) -> None:
        self._world, self._invocation, self._service, self._tries = world, invocation, service, tries
        self.exceptions = getattr(service, "exceptions", None)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda **call: self._call(name, getattr(self._service, name), call)

    def get_paginator(self, name: str) -> Any:
        pages = self._service.get_paginator(name).paginate
        return SimpleNamespace(paginate=lambda **call: self._call(name, lambda **same: list(pages(**same)), call))

    def _call(self, name: str, real: Callable[..., Any], call: Mapping[str, Any]) -> Any:
        world = self._world
        for left in reversed(range(self._tries)):
            world.reach(self._invocation)
            check_once(self._service.name, operation_named(self._service.name, name), call)
            if world.chance("throttle"):
                if left:
                    continue
                raise error("ThrottlingException", name)
            result = real(**call)
            # A transaction has an idempotency token: a retry gets the answer of the first call.
            if world.chance("lose_answer") and name != "transact_write_items":
                if left:
                    continue
                raise ReadTimeoutError(endpoint_url=name)
            world.reach(self._invocation)
            return result
        raise AssertionError("unreachable")


class _Batch(Batch):
    """Batch with child jobs, states, and a delay before jobs show up in ListJobs."""

    def __init__(self, world: "World") -> None:
        super().__init__(lambda operation, call: None, _NO_CHECK)
        self.world = world
        self.children: dict[str, dict[str, Any]] = {}
        self.born: dict[str, datetime] = {}

    def submit_job(self, **call: Any) -> dict[str, Any]:
        if self.world.chance("refuse"):
            raise error("ClientException", "SubmitJob", status=400)
        answer = super().submit_job(**call)
        job_id, size = answer["jobId"], call.get("arrayProperties", {}).get("size", 1)
        self.born[job_id] = self.world.now
        for index in range(size):
            child = {"jobName": call["jobName"], "status": "RUNNABLE", "index": index, "job": self.jobs[job_id]}
            child["jobId"] = f"{job_id}:{index}" if size > 1 else job_id
            self.children[child["jobId"]] = child
        return answer

    def _definitions(self, **call: Any) -> Iterator[dict[str, Any]]:
        if self.world.chance("refuse"):  # a deploy is about to make it
            return iter([{"jobDefinitions": []}])
        return super()._definitions(**call)

    def cancel_job(self, **call: Any) -> dict[str, Any]:
        for child in self.children.values():
            if child["job"]["jobId"] == call["jobId"] and child["status"] == "RUNNABLE":
                child |= {"status": "FAILED", "reason": str(call["reason"])}
                self.world.emit(child)
        return {}

    def terminate_job(self, **call: Any) -> dict[str, Any]:
        child = self.children[call["jobId"]]
        if child["status"] in ("RUNNABLE", "RUNNING"):
            child |= {"status": "FAILED", "reason": str(call["reason"])}
            self.world.emit(child)
        return {}

    def list_jobs(self, **call: Any) -> dict[str, Any]:
        found = super().list_jobs(**call)["jobSummaryList"]
        shown = [job for job in found if self.world.now - self.born[job["jobId"]] > self.world.lag]
        self.world.excuses += len(found) > len(shown)
        return {"jobSummaryList": shown}

    def describe_jobs(self, **call: Any) -> dict[str, Any]:
        return {"jobs": [self.detail(job_id) for job_id in call["jobs"] if job_id in self.jobs | self.children]}

    def detail(self, job_id: str) -> dict[str, Any]:
        if job_id in self.children:
            child = self.children[job_id]
            array = {"arrayProperties": {"index": child["index"]}} if ":" in job_id else {}
            exit_code = {"container": {"exitCode": child["exit"]}} if "exit" in child else {}
            reason = {"statusReason": child["reason"]} if "reason" in child else {}
            same = {"jobName": child["jobName"], "jobId": job_id, "status": child["status"]}
            if child.get("ran"):  # for a minute on one vCPU
                exit_code.setdefault("container", {})["resourceRequirements"] = [{"type": "VCPU", "value": "1"}]
                same |= {"startedAt": 1, "attempts": [{"startedAt": 1, "stoppedAt": 60_001}]}
            return {**same, **array, **exit_code, **reason}
        states = Counter(child["status"] for child in self.children.values() if child["job"]["jobId"] == job_id)
        array = {"arrayProperties": {"size": sum(states.values()), "statusSummary": dict(states)}}
        return {"jobName": self.jobs[job_id]["jobName"], "jobId": job_id, "status": "PENDING", **array}


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
        self.aws = SimulatedAws(check=_NO_CHECK)
        self.aws.batch = self.batch = _Batch(self)
        self.batch.definitions = definitions(CHAINED)
        if "claim" not in safeguards:
            self.aws.dynamodb.transact_write_items = self._unconditional_claim  # type: ignore[method-assign]
        self.buried: list[str] = []
        self.manifests: dict[str, Manifest] = {}
        self.messages: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.invocations: list[_Invocation] = []
        self.executions: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.completions: Counter[str] = Counter()
        self._scheduler = getcurrent()
        self._numbers = iter(range(1_000_000))
        self.users = SimulatedUsers(self, files)
        # A third of the schedules without a limit, one with one that suffices, one that may not; of what is refused
        # then, requests expect nothing.
        enough = None if seed % 3 == 0 else 1000 if seed % 3 == 1 or self.users.makes_requests else 3
        self.limit = None if enough is None else Limit(VCPU_MS, enough * RUN_NEEDS)
        self.deployment = CHAINED._replace(limits={} if self.limit is None else {"lab": self.limit})

    # Faults at every call

    def chance(self, fault: str) -> bool:
        return not self.calm and self.random.random() < self.weather[fault]

    def reach(self, invocation: _Invocation) -> None:
        """Give other invocations a turn; this one may be delayed or killed here."""
        self.now += timedelta(seconds=0.001 + 0.049 * self.random.random())
        timed_out = invocation.frozen_until is None and self.now - invocation.started > _TIMEOUT
        if timed_out or self.chance("kill"):
            raise KilledError
        if self.chance("hold_up"):
            invocation.frozen_until = self.now + DEPLOYMENT.lease * 1.1
            self.excuses += 1
        self._scheduler.switch()

    # The actors

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

        def work(invocation: _Invocation) -> None:
            answered.append(self._arrival(invocation).process(batch).ids)

        def done() -> None:
            # Without an answer all messages become visible again, as they do in SQS.
            self.messages += [one for one in batch if not answered or one["messageId"] in answered[0]]

        self._start(work, done)

    def tell(self) -> None:
        """Start a run-events function with some events, in any order."""
        self.random.shuffle(self.events)
        batch = self.events[: self.random.randint(1, 4)]
        del self.events[: len(batch)]
        answered: list[set[str]] = []

        def work(invocation: _Invocation) -> None:
            answered.append(self._run_events(invocation)[0].process(batch).ids)

        def done() -> None:
            self.events += [one for one in batch if not answered or one["messageId"] in answered[0]]

        self._start(work, done)

    def reconcile(self) -> None:
        # Without the lease, every job counts as abandoned at once.
        at = self.now if "lease" in self.safeguards else self.now + DEPLOYMENT.lease * 2

        def work(invocation: _Invocation) -> None:
            self._run_events(invocation)[1].run(at=at)

        self._start(work, lambda: None)

    def work_on_job(self) -> bool:
        """Move one job to its next state; return whether there was one to move."""
        open_jobs = [child for child in self.batch.children.values() if child["status"] in ("RUNNABLE", "RUNNING")]
        if not open_jobs:
            return False
        child = self.random.choice(open_jobs)
        if child["status"] == "RUNNABLE" and self.chance("no_capacity"):
            child |= {"status": "FAILED", "reason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"}
            self.emit(child)
            return True
        run = self._run_of(child)
        fence = OUTPUT, keys.started_key(run.group, run.pipeline, run.run_id, run.attempt)
        owner = self.aws.s3.objects.setdefault(fence, child["jobId"].encode()).decode()
        if owner != child["jobId"] and "fence" in self.safeguards:
            child |= {"status": "FAILED", "exit": 75}
        else:
            self.executions[run.run_id, run.attempt].add(child["jobId"])
            child |= {"status": "SUCCEEDED" if child["status"] == "RUNNING" else "RUNNING", "ran": True}
            self.completions[run.run_id] += child["status"] == "SUCCEEDED"
            # Without another pool a reclaimed run would fail finally.
            if child["status"] == "RUNNING" and child["job"]["jobQueue"] != _LAST_POOL and self.chance("reclaim"):
                child |= {"status": "FAILED", "reason": "Host EC2 (instance i-1) terminated."}
        self.emit(child)
        return True

    def emit(self, child: Mapping[str, Any]) -> None:
        body = json.dumps({"detail": self.batch.detail(child["jobId"])})
        for _ in range((not self.chance("drop_event")) * (1 + self.chance("double"))):
            self.events.append({"messageId": f"e{next(self._numbers)}", "body": body})

    def _run_of(self, child: Mapping[str, Any]) -> RunSpec:
        uri = child["job"]["containerOverrides"]["environment"][0]["value"]
        index: int = child["index"]
        if uri not in self.manifests:
            self.manifests[uri] = Manifest.from_json(self.aws.s3.objects[keys.split_uri(uri)])
        return self.manifests[uri].runs[index]

    def cancelled_before_start(self) -> int:
        """Attempts whose fence a cancellation took."""
        return sum(body.startswith(b"cancelled:") for body in self.aws.s3.objects.values())

    # Invocations

    def _start(self, work: Callable[[_Invocation], None], done: Callable[[], None]) -> None:
        invocation = _Invocation(work=work, done=done, started=self.now)

        def body() -> None:
            try:
                work(invocation)
            except (KilledError, ClientError, BotoCoreError, UnrepairedError):
                pass  # gone, or ended with an error: either way Lambda hears of no success
            finally:
                self.invocations.remove(invocation)
                done()

        invocation.run = greenlet(body)
        self.invocations.append(invocation)

    def step(self) -> bool:
        """Let one invocation continue; return whether there was one."""
        ready = [one for one in self.invocations if one.frozen_until is None or one.frozen_until <= self.now]
        if not ready:
            return False
        self.random.choice(ready).run.switch()
        return True

    def _client(self, invocation: _Invocation, service: Any, *, retry: bool = True) -> Any:
        return _Client(self, invocation, service, 3 if retry else 1)

    def _arrival(self, invocation: _Invocation) -> ArrivalFlow:
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

    def _run_events(self, invocation: _Invocation) -> tuple[RunEventsFlow, Reconcile]:
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

    # Safeguards that a test removes

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
