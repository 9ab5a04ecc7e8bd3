"""Simulated AWS with faults: clients that are throttled, lose answers, or are killed, and Batch with refused jobs."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ReadTimeoutError
from greenlet import greenlet

from tests.lambdas.simulated_aws import Batch, error
from tests.request_checks import Check, check_once, operation_named

if TYPE_CHECKING:
    from tests.lambdas.crash.world import World

NO_CHECK: Check = lambda *request: None  # noqa: E731 -- the client of an invocation checks requests


class KilledError(BaseException):
    """The process was killed: no exception handler of the functions may catch this."""


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Probability of each fault, each time it can happen."""

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
class Invocation:
    """One running invocation of a function."""

    work: Callable[["Invocation"], None]
    done: Callable[[], None]
    started: datetime
    run: greenlet = field(init=False)
    frozen_until: datetime | None = None


class FaultyClient:
    """The SDK client of one invocation: injects faults, and retries calls like the SDK."""

    def __init__(self, world: "World", invocation: Invocation, service: Any, tries: int) -> None:
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
            # A transaction has an idempotency token, so a repeated call gets the answer of the first one.
            if world.chance("lose_answer") and name != "transact_write_items":
                if left:
                    continue
                raise ReadTimeoutError(endpoint_url=name)
            world.reach(self._invocation)
            return result
        raise AssertionError("unreachable")


class FaultyBatch(Batch):
    """Batch with array children and job states, whose ListJobs shows new jobs with a delay."""

    def __init__(self, world: "World") -> None:
        super().__init__(lambda operation, call: None, NO_CHECK)
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
        if self.world.chance("refuse"):  # the next deploy creates it
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
