"""The part of a deployment's SSM parameter that follows from its settings, and its size before a deploy."""

from typing import Any

from dropbatch.contract.deployment import resource_name
from dropbatch.contract.parameter import DeploymentParameter, PipelineNeeds
from dropbatch.settings.models import Settings

__all__ = ["described", "size_bytes"]

# The longest that each may be: what AWS names, and what may be wrong in an environment file that is being checked.
_ENVIRONMENT = "e" * 12
_REGION = "ap-southeast-1"
_BUCKET = "b" * 63
_URL = f"https://sqs.{_REGION}.amazonaws.com/123456789012/"
_ARN = f"arn:aws-us-gov:sns:{_REGION}:123456789012:"


def described(settings: Settings) -> dict[str, Any]:
    """Return the fields of `DeploymentParameter` that settings decide."""
    pipelines = settings.pipeline.items()
    return {
        "groups": tuple(sorted(settings.group)),
        "needs": {
            name: PipelineNeeds(each.vcpus, each.memory_mib, each.timeout_minutes, each.tries)
            for name, each in pipelines
        },
        "folders": {name: each.closing_marker for name, each in pipelines if each.trigger == "folder"},
        "prices": settings.prices,
    }


def size_bytes(settings: Settings) -> int:
    """Return the most bytes that the parameter of these groups, pipelines and pools can have."""
    parameter = DeploymentParameter(
        environment=_ENVIRONMENT,
        region=_REGION,
        input_bucket=_BUCKET,
        output_bucket=_BUCKET,
        ledger_table=resource_name(_ENVIRONMENT, "ledger"),
        log_group=f"/dropbatch/{_ENVIRONMENT}/jobs",
        arrival_queue_url=_URL + resource_name(_ENVIRONMENT, "arrivals"),
        operators_topic_arn=_ARN + resource_name(_ENVIRONMENT, "operators"),
        pools={pool: resource_name(_ENVIRONMENT, pool) for pool in settings.compute},
        **described(settings),
    )
    return len(parameter.to_json().encode())
