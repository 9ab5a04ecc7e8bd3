"""SubmitJob."""

import re
import uuid
from typing import Any

from dropbatch.sandbox.batch.definitions import requirements, retry_strategy
from dropbatch.sandbox.batch.dependencies import check_dependencies
from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.model import Job, Template
from dropbatch.sandbox.batch.scheduler import Scheduler
from dropbatch.sandbox.batch.store import Resource, Store

__all__ = ["Submit"]

_LEAST_PRIORITY = 0
_PARAMETER = re.compile(r"Ref::([A-Za-z0-9_-]+)")


class Submit:
    """Create a job, or an array job with its children, from a request."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """SubmitJob; the request has passed the checks of `dropbatch.sandbox.rules`."""
        name = request["jobName"]
        queue = self._queue(request["jobQueue"])
        definition = self._definition(request["jobDefinition"])
        job = Job(
            id=str(uuid.uuid4()),
            name=name,
            queue_arn=queue["jobQueueArn"],
            template=self._template(request, definition),
            created_at=self._scheduler.now_ms(),
        )
        for index in range(_array_size(request)):
            job.children.append(
                Job(
                    id=f"{job.id}:{index}",
                    name=name,
                    queue_arn=job.queue_arn,
                    template=job.template,
                    created_at=job.created_at,
                    index=index,
                    parent=job,
                )
            )
        self._scheduler.submit(job)
        return {"jobArn": self._store.arns.of("job", job.id), "jobName": name, "jobId": job.id}

    def _queue(self, reference: str) -> Resource:
        queue = self._store.queue(reference)
        if queue is None:
            raise ClientError(f"JobQueue {reference} not found")
        if queue["state"] != "ENABLED":
            raise ClientError(f"Job Queue {queue['jobQueueName']} is DISABLED and does not accept new jobs")
        return queue

    def _definition(self, reference: str) -> Resource:
        definition = self._store.definition(reference)
        if definition is None:
            raise ClientError(f"JobDefinition {reference} not found")
        if definition["status"] != "ACTIVE":
            raise ClientError(f"JobDefinition {reference} is not ACTIVE")
        return definition

    def _template(self, request: dict[str, Any], definition: Resource) -> Template:
        parameters = {**definition["parameters"], **(request.get("parameters") or {})}
        container = _overridden(definition["containerProperties"], request.get("containerOverrides") or {})
        container["command"] = _filled_in(container.get("command") or [], parameters)
        vcpus, memory_mib = requirements(container)
        limit = request.get("timeout") or definition.get("timeout")
        return Template(
            definition_arn=definition["jobDefinitionArn"],
            container=container,
            vcpus=vcpus,
            memory_mib=memory_mib,
            parameters=parameters,
            retry=retry_strategy({**(definition.get("retryStrategy") or {}), **(request.get("retryStrategy") or {})}),
            timeout_seconds=limit.get("attemptDurationSeconds") if limit else None,
            tags=dict(request.get("tags") or {}),
            propagate_tags=bool(request.get("propagateTags", definition["propagateTags"])),
            share_identifier=request.get("shareIdentifier"),
            scheduling_priority=_priority(request, definition),
            depends_on=check_dependencies(request, self._store),
            platform_capabilities=definition["platformCapabilities"],
        )


def _priority(request: dict[str, Any], definition: Resource) -> int:
    """Return the override (0 is valid), else the definition's priority, else the lowest one."""
    given = (request.get("schedulingPriorityOverride"), definition.get("schedulingPriority"))
    return next((int(priority) for priority in given if priority is not None), _LEAST_PRIORITY)


def _array_size(request: dict[str, Any]) -> int:
    size = (request.get("arrayProperties") or {}).get("size")
    return int(size or 0)


def _overridden(properties: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    container = dict(properties)
    if overrides.get("command"):
        container["command"] = list(overrides["command"])
    for field, key in (("environment", "name"), ("resourceRequirements", "type")):
        merged = {each[key]: each for each in container.get(field) or []}
        merged |= {each[key]: each for each in overrides.get(field) or []}
        container[field] = list(merged.values())
    for field in ("instanceType", "vcpus", "memory"):
        if overrides.get(field) is not None:
            container[field] = overrides[field]
    return container


def _filled_in(command: list[str], parameters: dict[str, str]) -> list[str]:
    """Return `command` with each ``Ref::name`` replaced; one without a value stays unchanged."""
    return [_PARAMETER.sub(lambda match: parameters.get(match[1], match[0]), part) for part in command]
