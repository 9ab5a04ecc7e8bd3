"""Reason texts of AWS Batch and Amazon ECS: why a job ended or waits, each with its public source.

Batch documents no codes for most of these reasons, so the retry rules of job definitions, the run events function and
the sandbox recognize them by the start of their texts. The texts are defined in this module only.

A job has two such fields: ``statusReason`` of the job or of a try, and ``reason`` of its container, written by ECS.
"""

from typing import NamedTuple

__all__ = [
    "CANCELED_BY_TIME_LIMIT",
    "CONTAINER_EXITED",
    "CONTAINER_NOT_STARTED",
    "DEPENDENCY_FAILED",
    "HOST_TERMINATED",
    "IMAGE_NOT_PULLED",
    "INSUFFICIENT_CAPACITY",
    "INSUFFICIENT_RESOURCES",
    "KILLED",
    "MAX_VCPUS_TOO_SMALL",
    "OUT_OF_MEMORY",
    "TASK_NOT_STARTED",
    "TEXTS",
    "TIMED_OUT",
    "TIME_LIMIT_REASONS",
    "ReasonText",
    "time_limit_reason",
]


class ReasonText(NamedTuple):
    """A reason text of AWS."""

    field: str
    """``statusReason`` or ``reason``."""
    start: str
    """The constant start of the text."""
    example: str
    """A complete text as published; the sandbox uses it."""
    source: str
    """Address of the publication."""

    def matches(self, text: str) -> bool:
        """Return whether a field's text is this reason."""
        return text.startswith(self.start)

    @property
    def pattern(self) -> str:
        """Pattern of the reason for a retry rule (``evaluateOnExit``)."""
        return f"{self.start}*"


_BATCH = "https://docs.aws.amazon.com/batch/latest/userguide"
_ECS = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide"

KILLED = 137
"""Exit code of a process that was ended by SIGKILL (128 + 9), which the kernel sends when memory runs out."""

CONTAINER_EXITED = ReasonText(
    field="statusReason",
    start="Essential container in task exited",
    example="Essential container in task exited",
    source=f"{_ECS}/stopped-task-error-codes.html",
)
HOST_TERMINATED = ReasonText(
    field="statusReason",
    start="Host EC2",
    example="Host EC2 (instance i-00000000000000000) terminated.",
    source="https://aws.amazon.com/blogs/compute/introducing-retry-strategies-for-aws-batch/",
)
"""The machine was terminated: by a Spot interruption, or by a person."""
TIMED_OUT = ReasonText(
    field="statusReason",
    start="Job attempt duration exceeded timeout",
    example="Job attempt duration exceeded timeout",
    # AWS documents the timeout (job_timeouts.html) but not this text. Public clients compare with it.
    source="https://github.com/insitro/redun/blob/main/redun/executors/aws_batch.py",
)
DEPENDENCY_FAILED = ReasonText(
    field="statusReason",
    start="Dependent Job failed",
    example="Dependent Job failed",
    source=f"{_BATCH}/job_dependencies.html",
)
TASK_NOT_STARTED = ReasonText(
    field="statusReason",
    start="Task failed to start",
    example="Task failed to start",
    source=f"{_BATCH}/job_retries.html",
)
CANCELED_BY_TIME_LIMIT = ReasonText(
    field="statusReason",
    start="Canceled by JobStateTimeLimit action due to reason: ",
    example="Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    source=f"{_BATCH}/job_stuck_in_runnable_capacity.html",
)
"""Followed by one of `TIME_LIMIT_REASONS`."""

INSUFFICIENT_CAPACITY = ReasonText(
    field="statusReason",
    start="CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    example="CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested for instance type "
    "[optimal]",
    source=f"{_BATCH}/job_stuck_in_runnable_capacity.html",
)
MAX_VCPUS_TOO_SMALL = ReasonText(
    field="statusReason",
    start="MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    example="MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue cannot meet the "
    "CPU requirement of the job.",
    source=f"{_BATCH}/job_stuck_in_runnable.html",
)
INSUFFICIENT_RESOURCES = ReasonText(
    field="statusReason",
    start="MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    example="MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher than "
    "that can be met by the CE(s) attached to the job queue.",
    source=f"{_BATCH}/job_stuck_in_runnable.html",
)
TIME_LIMIT_REASONS = (INSUFFICIENT_CAPACITY, MAX_VCPUS_TOO_SMALL, INSUFFICIENT_RESOURCES)
"""Why the first job of a queue cannot start. A queue's ``jobStateTimeLimitActions`` use `start` as the reason:
https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_time_limit_actions.html"""

IMAGE_NOT_PULLED = ReasonText(
    field="reason",
    start="CannotPullContainerError:",
    example="CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref",
    source=f"{_ECS}/task_cannot_pull_image.html",
)
CONTAINER_NOT_STARTED = ReasonText(
    field="reason",
    start="CannotStartContainerError:",
    example="CannotStartContainerError: failed to get container status",
    source=f"{_ECS}/cannot-start-container.html",
)
OUT_OF_MEMORY = ReasonText(
    field="reason",
    start="OutOfMemoryError",
    example="OutOfMemoryError: Container killed due to memory usage",
    source=f"{_ECS}/out-of-memory.html",
)

TEXTS = (
    CONTAINER_EXITED,
    HOST_TERMINATED,
    TIMED_OUT,
    DEPENDENCY_FAILED,
    TASK_NOT_STARTED,
    CANCELED_BY_TIME_LIMIT,
    *TIME_LIMIT_REASONS,
    IMAGE_NOT_PULLED,
    CONTAINER_NOT_STARTED,
    OUT_OF_MEMORY,
)
"""All reason texts. The acceptance test on a real account reports any other text that it observes."""


def time_limit_reason(text: str) -> ReasonText | None:
    """Return which of `TIME_LIMIT_REASONS` a waiting or canceled job's text names; None for any other text."""
    reason = text.removeprefix(CANCELED_BY_TIME_LIMIT.start)
    return next((each for each in TIME_LIMIT_REASONS if each.matches(reason)), None)
