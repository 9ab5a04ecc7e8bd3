"""The HTTP face of Batch: a request's path and body to one operation, its result or error to AWS's wire shape."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from dropbatch.sandbox.batch.definitions import Definitions
from dropbatch.sandbox.batch.environments import Environments
from dropbatch.sandbox.batch.errors import BatchError, ClientError, ServerError
from dropbatch.sandbox.batch.jobs import Jobs
from dropbatch.sandbox.batch.policies import Policies
from dropbatch.sandbox.batch.queues import Queues
from dropbatch.sandbox.batch.scheduler import Scheduler
from dropbatch.sandbox.batch.shapes import operation_of, problems
from dropbatch.sandbox.batch.store import Store
from dropbatch.sandbox.batch.submit import Submit
from dropbatch.sandbox.batch.tags import Tags

__all__ = ["Api", "Response"]

_log = logging.getLogger(__name__)

Response = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


class Api:
    """Answers Batch requests."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._operations = _operations(store, scheduler)

    def answer(self, method: str, path: str, body: bytes, query: Mapping[str, Any]) -> Response:
        """The response to one request."""
        try:
            return _json(200, self._call(method, path, body, query))
        except BatchError as error:
            return _error(error)
        except Exception as error:
            _log.exception("%s %s failed", method, path)
            return _error(ServerError(f"the sandbox's Batch failed: {error!r}"))

    def _call(self, method: str, path: str, body: bytes, query: Mapping[str, Any]) -> dict[str, Any]:
        name, request = operation_of(method, path, query)
        operate = self._operations.get(name)
        if operate is None:
            raise ClientError(f"not supported in the sandbox: {name}")
        try:
            sent = json.loads(body or b"{}")
        except ValueError as error:
            raise ClientError(f"the body is not JSON: {error}") from None
        request |= {key: value for key, value in sent.items() if value is not None}
        if wrong := problems(name, request):
            raise ClientError(wrong)
        with self._store.lock:
            return operate(request)


def _operations(store: Store, scheduler: Scheduler) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    environments, queues = Environments(store, scheduler), Queues(store, scheduler)
    policies, definitions = Policies(store), Definitions(store)
    jobs, tags = Jobs(store, scheduler), Tags(store)
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
