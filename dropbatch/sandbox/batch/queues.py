"""Job queues: create, update, delete, describe."""

from typing import Any

from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.paging import chosen
from dropbatch.sandbox.batch.scheduler import Scheduler
from dropbatch.sandbox.batch.store import Resource, Store

__all__ = ["Queues"]

_KIND = "job-queue"


class Queues:
    """Operations on job queues."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateJobQueue."""
        name = request["jobQueueName"]
        if name in self._store.queues:
            raise ClientError("Object already exists")
        queue: Resource = {
            "jobQueueName": name,
            "jobQueueArn": self._store.arns.of(_KIND, name),
            "state": request.get("state", "ENABLED"),
            "status": "VALID",
            "statusReason": "JobQueue Healthy",
            "priority": request["priority"],
            "computeEnvironmentOrder": self._order(request.get("computeEnvironmentOrder") or []),
            "jobStateTimeLimitActions": list(request.get("jobStateTimeLimitActions") or []),
            "jobQueueType": "ECS",
            "tags": dict(request.get("tags") or {}),
        }
        if request.get("schedulingPolicyArn"):
            queue["schedulingPolicyArn"] = self._policy(request["schedulingPolicyArn"])
        self._store.queues[name] = queue
        return {"jobQueueName": name, "jobQueueArn": queue["jobQueueArn"]}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateJobQueue: a scheduling policy can be replaced, but neither added nor removed."""
        queue = self._get(request["jobQueue"])
        if request.get("schedulingPolicyArn"):
            if "schedulingPolicyArn" not in queue:
                raise ClientError("a scheduling policy cannot be added to a job queue that was created without one")
            queue["schedulingPolicyArn"] = self._policy(request["schedulingPolicyArn"])
        if request.get("computeEnvironmentOrder"):
            queue["computeEnvironmentOrder"] = self._order(request["computeEnvironmentOrder"])
        for field in ("state", "priority", "jobStateTimeLimitActions"):
            if request.get(field) is not None:
                queue[field] = request[field]
        self._scheduler.environment_changed()
        return {"jobQueueName": queue["jobQueueName"], "jobQueueArn": queue["jobQueueArn"]}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteJobQueue; it must be disabled. Its jobs are terminated."""
        queue = self._get(request["jobQueue"])
        if queue["state"] != "DISABLED":
            raise ClientError("Cannot delete, job queue must be DISABLED first")
        for job in self._store.jobs_by_queue.get(queue["jobQueueArn"], {}).values():
            if not job.status.ended:
                self._scheduler.terminate(job, "Job queue deleted")
        del self._store.queues[queue["jobQueueName"]]
        return {}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeJobQueues."""
        found, token = chosen(
            self._store.queues, [self._store.arns.name(_KIND, each) for each in request.get("jobQueues") or []], request
        )
        return {"jobQueues": found, **token}

    def _get(self, reference: str) -> Resource:
        queue = self._store.queue(reference)
        if queue is None:
            raise ClientError(f"{reference} does not exist")
        return queue

    def _order(self, order: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not order:
            raise ClientError("computeEnvironmentOrder: must name a compute environment")
        resolved = []
        for entry in order:
            environment = self._store.environment(entry["computeEnvironment"])
            if environment is None:
                raise ClientError(f"compute environment {entry['computeEnvironment']} does not exist")
            resolved.append({"order": int(entry["order"]), "computeEnvironment": environment["computeEnvironmentArn"]})
        return sorted(resolved, key=lambda each: int(each["order"]))

    def _policy(self, arn: str) -> str:
        if self._store.arns.name("scheduling-policy", arn) not in self._store.policies:
            raise ClientError(f"scheduling policy {arn} does not exist")
        return arn
