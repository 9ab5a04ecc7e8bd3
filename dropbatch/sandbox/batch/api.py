"""HTTP API of Batch: map a request to an operation, and its result or error to AWS's JSON."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from dropbatch.sandbox.batch.definitions import Definitions
from dropbatch.sandbox.batch.environments import Environments
from dropbatch.sandbox.batch.errors import BatchError, ClientError, ServerError, ThrottlingError
from dropbatch.sandbox.batch.faults import Faults
from dropbatch.sandbox.batch.jobs import Jobs
from dropbatch.sandbox.batch.policies import Policies
from dropbatch.sandbox.batch.queues import Queues
from dropbatch.sandbox.batch.scheduler import Scheduler
from dropbatch.sandbox.batch.shapes import operation_of, problems, without_nulls
from dropbatch.sandbox.batch.store import Store
from dropbatch.sandbox.batch.submit import Submit
from dropbatch.sandbox.batch.tags import Tags
from dropbatch.sandbox.rules import NOTHING, Known, violations

__all__ = ["LOST", "Api", "Response"]

_log = logging.getLogger(__name__)

Response = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""

LOST = "x-dropbatch-answer-lost"
"""A header of ours that tells the gate to break off the answer."""


class Api:
    """Dispatch Batch requests to operations."""

    def __init__(self, store: Store, scheduler: Scheduler, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self._operations = _operations(store, scheduler, faults)

    def answer(self, method: str, path: str, body: bytes, query: Mapping[str, Any]) -> Response:
        """Return the response to one request."""
        try:
            name, members = operation_of(method, path, query)
            status, headers, answer = _json(200, self._call(name, members, body))
            lost = name == "SubmitJob" and self._faults.strikes("lost-answer")
            return status, {**headers, LOST: "1"} if lost else headers, answer
        except BatchError as error:
            return _error(error)
        except Exception as error:
            _log.exception("%s %s failed", method, path)
            return _error(ServerError(f"the sandbox's Batch failed: {error!r}"))

    def _call(self, name: str, members: dict[str, Any], body: bytes) -> dict[str, Any]:
        operate = self._operations.get(name)
        if operate is None:
            raise ClientError(f"not supported in the sandbox: {name}")
        try:
            sent = json.loads(body or b"{}")
        except ValueError as error:
            raise ClientError(f"the body is not JSON: {error}") from None
        request = without_nulls(members | sent)
        if wrong := problems(name, request):
            raise ClientError(wrong)
        if name == "SubmitJob" and self._faults.throttled():
            raise ThrottlingError("Too Many Requests")
        with self._store.lock:
            for violation in violations("batch", name, request, self._known(name, request)):
                raise ClientError(violation.message)
            return operate(request)

    def _known(self, name: str, request: dict[str, Any]) -> Known:
        """Return the resources named in a request that the rules need."""
        if name != "SubmitJob":
            return NOTHING
        return Known(
            queue=self._store.queue(request["jobQueue"]), definition=self._store.definition(request["jobDefinition"])
        )


def _operations(
    store: Store, scheduler: Scheduler, faults: Faults
) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    environments, queues = Environments(store, scheduler), Queues(store, scheduler)
    policies, definitions = Policies(store), Definitions(store)
    jobs, tags = Jobs(store, scheduler, faults), Tags(store)
    return {
        "CreateComputeEnvironment": environments.create,
        "UpdateComputeEnvironment": environments.update,
        "DeleteComputeEnvironment": environments.delete,
        "DescribeComputeEnvironments": environments.describe,
        "CreateJobQueue": queues.create,
        "UpdateJobQueue": queues.update,
        "DeleteJobQueue": queues.delete,
        "DescribeJobQueues": queues.describe,
        "CreateSchedulingPolicy": policies.create,
        "UpdateSchedulingPolicy": policies.update,
        "DeleteSchedulingPolicy": policies.delete,
        "DescribeSchedulingPolicies": policies.describe,
        "ListSchedulingPolicies": policies.list,
        "RegisterJobDefinition": definitions.register,
        "DeregisterJobDefinition": definitions.deregister,
        "DescribeJobDefinitions": definitions.describe,
        "SubmitJob": Submit(store, scheduler).submit,
        "DescribeJobs": jobs.describe,
        "ListJobs": jobs.list,
        "CancelJob": jobs.cancel,
        "TerminateJob": jobs.terminate,
        "TagResource": tags.tag,
        "UntagResource": tags.untag,
        "ListTagsForResource": tags.list,
    }


def _json(status: int, body: dict[str, Any]) -> Response:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


def _error(error: BatchError) -> Response:
    status, headers, body = _json(error.status, {"message": str(error)})
    return status, {**headers, "x-amzn-errortype": error.code}, body
