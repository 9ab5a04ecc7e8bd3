"""SubmitJob."""

import re
import uuid
from typing import Any

from dropbatch.sandbox.batch.definitions import requirements, retry_strategy, timeout
from dropbatch.sandbox.batch.dependencies import check_dependencies
from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.model import Job, Template
from dropbatch.sandbox.batch.names import check_name
from dropbatch.sandbox.batch.scheduler import Scheduler
from dropbatch.sandbox.batch.store import Resource, Store

__all__ = ["Submit"]

_SHARE = re.compile(r"[A-Za-z0-9]{1,255}")
_PARAMETER = re.compile(r"Ref::([A-Za-z0-9_-]+)")
_MOST_CHILDREN = 10_000
_MOST_OVERRIDE_CHARACTERS = 8192


class Submit:
    """Turns a request into a job, or into an array job with its children."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """SubmitJob."""
        name = check_name("jobName", request.get("jobName"))
        queue = self._queue(request["jobQueue"])
        definition = self._definition(request["jobDefinition"])
        job = Job(
            id=str(uuid.uuid4()),
            name=name,
            queue_arn=queue["jobQueueArn"],
            template=self._template(request, queue, definition),
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

    def _template(self, request: dict[str, Any], queue: Resource, definition: Resource) -> Template:
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
            timeout_seconds=timeout(limit)["attemptDurationSeconds"] if limit else None,
            tags=dict(request.get("tags") or {}),
            propagate_tags=bool(request.get("propagateTags", definition["propagateTags"])),
            share_identifier=_share(request, queue),
            scheduling_priority=int(
                request.get("schedulingPriorityOverride") or definition.get("schedulingPriority") or 0
            ),
            depends_on=check_dependencies(request, self._store),
            platform_capabilities=definition["platformCapabilities"],
        )


def _share(request: dict[str, Any], queue: Resource) -> str | None:
    share = request.get("shareIdentifier")
    if not queue.get("schedulingPolicyArn"):
        if share:
            raise ClientError(f"shareIdentifier: job queue {queue['jobQueueName']} has no scheduling policy")
        return None
    if not share:
        raise ClientError(
            f"shareIdentifier: required, because job queue {queue['jobQueueName']} has a fair-share policy"
        )
    if not _SHARE.fullmatch(share):
        raise ClientError(f"shareIdentifier: must be 1 to 255 letters and digits, got {share!r}")
    return str(share)


def _array_size(request: dict[str, Any]) -> int:
    size = (request.get("arrayProperties") or {}).get("size")
    if size is None:
        return 0
    if not 2 <= int(size) <= _MOST_CHILDREN:
        raise ClientError(f"arrayProperties.size: must be 2 to {_MOST_CHILDREN}, got {size}")
    return int(size)


def _overridden(properties: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    length = len(str(overrides))
    if length > _MOST_OVERRIDE_CHARACTERS:
        raise ClientError(f"containerOverrides: at most {_MOST_OVERRIDE_CHARACTERS} characters, got {length}")
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
    """`command` with each ``Ref::name`` replaced; one without a value stays as it is."""
    return [_PARAMETER.sub(lambda match: parameters.get(match[1], match[0]), part) for part in command]
