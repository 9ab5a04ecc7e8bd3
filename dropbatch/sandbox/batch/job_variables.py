"""Environment variables of a job: from its definition and from Batch."""

from dropbatch.sandbox.batch.runner import Task

__all__ = ["job_variables"]


def job_variables(task: Task, *, endpoint_url: str, region: str) -> dict[str, str]:
    """Return the variables that Batch sets, and those that direct AWS clients to the sandbox."""
    variables = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    variables |= {each["name"]: each["value"] for each in task.container.get("environment") or []}
    variables |= {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_BATCH_JOB_ID": task.job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(task.attempt),
        "AWS_BATCH_JQ_NAME": task.queue_name,
        "AWS_BATCH_CE_NAME": task.environment_name,
    }
    if task.index is not None:
        variables["AWS_BATCH_JOB_ARRAY_INDEX"] = str(task.index)
    return variables
