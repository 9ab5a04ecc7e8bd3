"""Build AWS's representations of jobs for DescribeJobs, ListJobs and state-change events."""

from typing import Any

from dropbatch.sandbox.batch.model import Attempt, Job, Status
from dropbatch.sandbox.batch.names import Arns

__all__ = ["describe", "event_detail", "summarize"]

_COMMON_DEFAULTS: dict[str, Any] = {
    "volumes": [],
    "environment": [],
    "mountPoints": [],
    "ulimits": [],
    "networkInterfaces": [],
    "resourceRequirements": [],
    "secrets": [],
}


def describe(job: Job, arns: Arns) -> dict[str, Any]:
    """Return a ``JobDetail``."""
    return {**event_detail(job, arns), "isCancelled": job.cancelled, "isTerminated": job.terminated}


def event_detail(job: Job, arns: Arns) -> dict[str, Any]:
    """Return the ``detail`` of a "Batch Job State Change" event."""
    return {
        **_detail(job, arns),
        "propagateTags": job.template.propagate_tags,
        "tags": {"resourceArn": arns.of("job", job.id), **job.template.tags},
    }


def summarize(job: Job, arns: Arns) -> dict[str, Any]:
    """Return a ``JobSummary``."""
    container: dict[str, Any] = {}
    if job.latest and job.latest.exit_code is not None:
        container["exitCode"] = job.latest.exit_code
    if job.latest and job.latest.reason:
        container["reason"] = job.latest.reason
    return _without_nones(
        {
            "jobArn": arns.of("job", job.id),
            "jobId": job.id,
            "jobName": job.name,
            "createdAt": job.created_at,
            "status": str(job.status),
            "statusReason": job.status_reason,
            "startedAt": job.started_at,
            "stoppedAt": job.stopped_at,
            "container": container or None,
            "arrayProperties": _array_properties(job, with_counts=False),
            "jobDefinition": job.template.definition_arn,
        }
    )


def _detail(job: Job, arns: Arns) -> dict[str, Any]:
    template = job.template
    return _without_nones(
        {
            "jobArn": arns.of("job", job.id),
            "jobName": job.name,
            "jobId": job.id,
            "jobQueue": job.queue_arn,
            "status": str(job.status),
            "shareIdentifier": template.share_identifier,
            "schedulingPriority": template.scheduling_priority if template.share_identifier else None,
            "attempts": [_attempt(attempt) for attempt in job.attempts],
            "statusReason": job.status_reason,
            "createdAt": job.created_at,
            "retryStrategy": template.retry,
            "startedAt": job.started_at,
            "stoppedAt": job.stopped_at,
            "dependsOn": template.depends_on,
            "jobDefinition": template.definition_arn,
            "parameters": template.parameters,
            "container": _container(job),
            "arrayProperties": _array_properties(job, with_counts=True),
            "timeout": {"attemptDurationSeconds": template.timeout_seconds} if template.timeout_seconds else None,
            "platformCapabilities": template.platform_capabilities,
        }
    )


def _container(job: Job) -> dict[str, Any]:
    container = {**_COMMON_DEFAULTS, **job.template.container}
    latest = job.latest
    if latest:
        container |= _without_nones(
            {
                "exitCode": latest.exit_code,
                "reason": latest.reason,
                "containerInstanceArn": _container_instance(latest),
                "taskArn": latest.task_arn,
                "logStreamName": latest.log_stream,
            }
        )
    return container


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return _without_nones(
        {
            "container": _without_nones(
                {
                    "containerInstanceArn": _container_instance(attempt),
                    "taskArn": attempt.task_arn,
                    "exitCode": attempt.exit_code,
                    "reason": attempt.reason,
                    "logStreamName": attempt.log_stream,
                    "networkInterfaces": [],
                }
            ),
            "startedAt": attempt.started_at,
            "stoppedAt": attempt.stopped_at,
            "statusReason": attempt.status_reason,
        }
    )


def _container_instance(attempt: Attempt) -> str:
    # arn:aws:ecs:<region>:<account>:task/<cluster>/<task id>: the one "instance" is this machine.
    prefix, cluster, _ = attempt.task_arn.split("/")
    return f"{prefix.removesuffix(':task')}:container-instance/{cluster}/{'0' * 32}"


def _array_properties(job: Job, *, with_counts: bool) -> dict[str, Any] | None:
    if job.is_array:
        properties: dict[str, Any] = {"size": len(job.children)}
        if with_counts:
            properties["statusSummary"] = {str(status): job.summary[status] for status in Status}
        return properties
    return {"index": job.index} if job.index is not None else None


def _without_nones(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}
