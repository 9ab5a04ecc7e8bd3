"""Updates of compute environments: those that replace instances, and the jobs still running on old instances."""

from collections.abc import Iterable, Mapping
from typing import Any

from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.store import Resource, Store

__all__ = ["Updates", "check_infrastructure_update", "infrastructure_changes", "note_image", "update_policy"]

_INFRASTRUCTURE = frozenset(
    {
        "allocationStrategy",
        "bidPercentage",
        "ec2Configuration",
        "ec2KeyPair",
        "imageId",
        "instanceRole",
        "instanceTypes",
        "launchTemplate",
        "placementGroup",
        "securityGroupIds",
        "subnets",
        "tags",
        "type",
    }
)
"""Settings whose change replaces the machines. All others scale.
https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html"""
_STRATEGIES = ("BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED")
_SERVICE_LINKED = "/aws-service-role/batch.amazonaws.com/"
_DEFAULT_MINUTES = 30


def infrastructure_changes(environment: Resource, changes: Mapping[str, Any]) -> list[str]:
    """Return the members of a ``ComputeResourceUpdate`` that replace the instances of this environment."""
    resources = environment.get("computeResources") or {}
    resources = {**resources, "ec2Configuration": _images(resources)}
    changed = [key for key in sorted(_INFRASTRUCTURE & changes.keys()) if changes[key] != resources.get(key)]
    if changes.get("updateToLatestImageVersion"):
        changed.append("updateToLatestImageVersion")
    return changed


def _images(resources: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the ``ec2Configuration`` without the members that only Batch sets."""
    given = resources.get("ec2Configuration") or []
    return [{key: value for key, value in each.items() if key != "batchImageStatus"} for each in given]


def check_infrastructure_update(environment: Resource, changed: list[str]) -> None:
    """Refuse an infrastructure update that AWS does not support.

    It requires Batch's service-linked role and one of three allocation strategies
    (https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html). AWS does not document
    whether a second update may begin during the first; the sandbox refuses it, so that callers must handle that error.
    """
    named = ", ".join(changed)
    if _SERVICE_LINKED not in environment["serviceRole"]:
        raise ClientError(f"to update {named}, the service role must be AWSServiceRoleForBatch")
    strategy = (environment.get("computeResources") or {}).get("allocationStrategy", "BEST_FIT")
    if strategy not in _STRATEGIES:
        raise ClientError(f"to update {named}, allocationStrategy must be one of {', '.join(_STRATEGIES)}: {strategy}")
    if environment["status"] == "UPDATING":
        raise ClientError("Cannot update, resource is being modified")


def update_policy(policy: Mapping[str, Any]) -> tuple[bool, int]:
    """Return whether jobs are terminated at once, and if not, after how many minutes.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdatePolicy.html
    """
    minutes = int(policy.get("jobExecutionTimeoutMinutes") or _DEFAULT_MINUTES)
    return bool(policy.get("terminateJobsOnUpdate")), minutes


def note_image(environment: Resource) -> None:
    """Mark the environment as using Batch's newest image, as AWS does when the first instance starts.

    Not if the environment specifies an image. https://docs.aws.amazon.com/batch/latest/APIReference/API_Ec2Configuration.html
    """
    for configuration in (environment.get("computeResources") or {}).get("ec2Configuration") or []:
        if not configuration.get("imageIdOverride"):
            configuration["batchImageStatus"] = "LATEST"


class Updates:
    """Infrastructure updates in progress. Callers hold the store's lock.

    An environment is ``UPDATING`` as long as a job runs on an instance from before the update; idle instances are
    replaced at once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._old: dict[str, set[str]] = {}

    def begin(self, environment: Resource, jobs: Iterable[str]) -> set[str]:
        """Return the ids of the jobs on old machines; those whose try ended are taken out of the set."""
        old = self._old[environment["computeEnvironmentArn"]] = set(jobs)
        environment["status"] = "UPDATING" if old else "VALID"
        return old

    def ended(self, job_id: str, environment_arn: str) -> None:
        """Record that an attempt of this job ended on this environment."""
        old = self._old.get(environment_arn, set())
        old.discard(job_id)
        environment = self._store.environment(environment_arn)
        if not old and environment is not None and environment["status"] == "UPDATING":
            environment["status"] = "VALID"

    def forget(self) -> None:
        """End all updates, because no job is running."""
        self._old.clear()
        for environment in self._store.environments.values():
            if environment["status"] == "UPDATING":
                environment["status"] = "VALID"
