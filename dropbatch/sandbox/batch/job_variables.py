"""Environment variables of a job: its definition's and Batch's own."""

from dropbatch.sandbox.batch.runner import Task

__all__ = ["job_variables"]


def job_variables(task: Task, *, endpoint_url: str, region: str) -> dict[str, str]:
    """What Batch gives a job, and what points AWS clients in it at the sandbox."""
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
