"""Batch without a server: the API, the scheduler, and a runner whose jobs end as the test says."""

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from dropbatch.sandbox.batch.api import Api
from dropbatch.sandbox.batch.clock import Clock
from dropbatch.sandbox.batch.faults import Faults
from dropbatch.sandbox.batch.faulty import FaultyRunner
from dropbatch.sandbox.batch.names import Arns
from dropbatch.sandbox.batch.runner import Exit, Task
from dropbatch.sandbox.batch.scheduler import Scheduler
from dropbatch.sandbox.batch.store import Store

MODEL = ServiceModel(Loader().load_service_model("batch", "service-2"), "batch")
ARNS = Arns("000000000000", "eu-central-1")


class RefusedError(Exception):
    """An error response."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Container:
    """A container that runs until told to end."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.signalled = False
        self._ended = threading.Event()
        self._exit = Exit(code=0)

    def finish(self, code: int | None = 0, reason: str | None = None) -> None:
        self._exit = Exit(code=code, reason=reason)
        self._ended.set()

    def wait(self) -> Exit:
        self._ended.wait(30)
        return self._exit

    def signal_stop(self) -> None:
        self.signalled = True

    def kill(self) -> None:
        if not self._ended.is_set():
            self.finish(137)


class ScriptedRunner:
    """Each job's result is given by its command: ``["exit", "3"]`` ends at once, ``["wait"]`` when the test says so."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.started: list[Task] = []

    def log_stream(self, task: Task) -> str | None:
        return f"stream/{task.task_id}"

    def start(self, task: Task) -> Container:
        self.started.append(task)
        container = Container(task)
        self.containers[task.job_id] = container
        verb, *rest = task.container["command"]
        if verb == "exit":
            container.finish(int(rest[0]))
        elif verb == "fails-once":
            container.finish(0 if task.attempt > 1 else 1)
        return container


class World:
    """A Batch whose resources a test creates and reads. Every answer is checked against AWS's model."""

    def __init__(self, clock: Clock | None = None, most_at_once: int = 100) -> None:
        self.store = Store(ARNS)
        self.runner = ScriptedRunner()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[tuple[str, dict[str, str]]] = []
        self.faults = Faults()
        self.clock = clock or Clock()
        runner = FaultyRunner(self.runner, self.faults, self.clock)
        self.scheduler = Scheduler(
            self.store, runner, self._emit, clock=self.clock, most_at_once=most_at_once, faults=self.faults
        )
        self._api = Api(self.store, self.scheduler, self.faults)

    def _emit(self, detail_type: str, resources: list[str], detail: dict[str, Any]) -> None:
        self.events.append((detail_type, json.loads(json.dumps(detail))))

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        http = MODEL.operation_model(operation).http
        path = http["requestUri"]
        query: dict[str, Any] = {}
        if "{resourceArn}" in path:
            path = path.replace("{resourceArn}", request.pop("resourceArn"))
            query = {"tagKeys": request.pop("tagKeys")} if "tagKeys" in request else {}
        status, headers, body = self._api.answer(http["method"], path, json.dumps(request).encode(), query)
        answer = json.loads(body)
        if status != 200:
            raise RefusedError(headers["x-amzn-errortype"], answer["message"])
        shape = MODEL.operation_model(operation).output_shape
        assert shape is not None
        faults = ParamValidator().validate(answer, shape).generate_report().splitlines()
        # The model requires it, yet AWS omits it for jobs that have not started, as its own examples show.
        faults = [each for each in faults if not re.fullmatch(r'Missing .* in jobs\[\d+\]: "startedAt"', each)]
        assert not faults, faults
        assert not (odd := _odd_values(shape, answer)), odd
        self.answers.append((operation, headers))
        return dict(answer)

    def fault(self, fault: str, **settings: Any) -> None:
        self.faults.put({"fault": fault, **settings})
        with self.store.lock:
            self.scheduler.environment_changed()

    def environment(self, name: str = "spot", vcpus: int = 4, **more: Any) -> str:
        answer = self.call(
            "CreateComputeEnvironment",
            computeEnvironmentName=name,
            type="MANAGED",
            computeResources={
                "type": "SPOT",
                "allocationStrategy": "SPOT_PRICE_CAPACITY_OPTIMIZED",
                "minvCpus": 0,
                "maxvCpus": vcpus,
                "instanceTypes": ["optimal"],
                "subnets": ["subnet-1"],
                "instanceRole": "ecsInstanceRole",
            },
            **more,
        )
        return str(answer["computeEnvironmentArn"])

    def queue(
        self, name: str = "spot", environments: tuple[str, ...] = ("spot",), priority: int = 1, **more: Any
    ) -> str:
        order = [{"order": place, "computeEnvironment": each} for place, each in enumerate(environments, 1)]
        answer = self.call(
            "CreateJobQueue", jobQueueName=name, priority=priority, computeEnvironmentOrder=order, **more
        )
        return str(answer["jobQueueArn"])

    def definition(self, name: str = "count", command: tuple[str, ...] = ("exit", "0"), **more: Any) -> str:
        answer = self.call(
            "RegisterJobDefinition",
            jobDefinitionName=name,
            type="container",
            containerProperties={
                "image": "repository:tag",
                "command": list(command),
                "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "128"}],
            },
            **more,
        )
        return str(answer["jobDefinitionArn"])

    def ready(self) -> "World":
        """Start the scheduler, with one environment, queue and definition."""
        self.environment()
        self.queue()
        self.definition()
        self.scheduler.start()
        return self

    def submit(self, *command: str, name: str = "job", queue: str = "spot", **more: Any) -> str:
        overrides: dict[str, Any] = {"containerOverrides": {"command": list(command)}} if command else {}
        if "shareIdentifier" in more:
            overrides["schedulingPriorityOverride"] = 0
        answer = self.call("SubmitJob", jobName=name, jobQueue=queue, jobDefinition="count", **{**overrides, **more})
        return str(answer["jobId"])

    def job(self, job_id: str) -> dict[str, Any]:
        (job,) = self.call("DescribeJobs", jobs=[job_id])["jobs"]
        return dict(job)

    def until(self, job_id: str, *statuses: str, seconds: float = 20) -> dict[str, Any]:
        """Wait for a job to reach one of these states."""
        eventually(lambda: self.job(job_id)["status"] in statuses, lambda: self.job(job_id), seconds)
        return self.job(job_id)

    def statuses(self, job_id: str) -> list[str]:
        """Return the states of a job, from its events."""
        changes = [detail for kind, detail in list(self.events) if kind == "Batch Job State Change"]
        return [detail["status"] for detail in changes if detail["jobId"] == job_id]


def _odd_values(shape: Any, value: Any, path: str = "") -> list[str]:
    """Return values that are not in the model's enumerations; botocore's validator does not check them.

    AWS itself returns the actions of retry rules in lower case, which is not in its model.
    """
    if shape.type_name == "structure":
        found = [_odd_values(shape.members[key], each, f"{path}.{key}") for key, each in value.items()]
    elif shape.type_name == "list":
        found = [_odd_values(shape.member, each, f"{path}[]") for each in value]
    elif shape.type_name == "map":
        found = [_odd_values(shape.value, each, f"{path}[{key}]") for key, each in value.items()]
    else:
        known = getattr(shape, "enum", None)
        return [f"{path}: {value!r}"] if known and value not in known and shape.name != "RetryAction" else []
    return [each for some in found for each in some]


def eventually(
    condition: Callable[[], bool], describe: Callable[[], object] = lambda: "it did not happen", seconds: float = 20
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.005)
