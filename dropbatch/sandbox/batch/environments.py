"""Compute environments: create, update, delete, describe."""

from typing import Any

from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.paging import chosen
from dropbatch.sandbox.batch.scheduler import Scheduler
from dropbatch.sandbox.batch.store import Resource, Store
from dropbatch.sandbox.batch.updates import check_infrastructure_update, infrastructure_changes, update_policy

__all__ = ["Environments"]

_KIND = "compute-environment"


class Environments:
    """Operations on compute environments.

    A scaling update takes effect at once. An infrastructure update applies to jobs placed afterwards; running jobs
    keep their instances as long as the update policy allows. Source: AWS Batch user guide, "Updating compute
    environments", https://docs.aws.amazon.com/batch/latest/userguide/updating-compute-environments.html.
    """

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateComputeEnvironment."""
        name = request["computeEnvironmentName"]
        if name in self._store.environments:
            raise ClientError("Object already exists")
        resources = dict(request.get("computeResources") or {})
        if request["type"] == "MANAGED":
            resources = _with_defaults(resources)
        arns = self._store.arns
        environment: Resource = {
            "computeEnvironmentName": name,
            "computeEnvironmentArn": arns.of(_KIND, name),
            "ecsClusterArn": f"arn:aws:ecs:{arns.region}:{arns.account}:cluster/AWSBatch-{name}",
            "type": request["type"],
            "state": request.get("state", "ENABLED"),
            "status": "VALID",
            "statusReason": "ComputeEnvironment Healthy",
            "serviceRole": request.get("serviceRole")
            or f"arn:aws:iam::{arns.account}:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch",
            "containerOrchestrationType": "ECS",
            "tags": dict(request.get("tags") or {}),
        }
        if resources:
            environment["computeResources"] = resources
        if "unmanagedvCpus" in request:
            environment["unmanagedvCpus"] = request["unmanagedvCpus"]
        self._store.environments[name] = environment
        return {"computeEnvironmentName": name, "computeEnvironmentArn": environment["computeEnvironmentArn"]}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateComputeEnvironment."""
        environment = self._get(request["computeEnvironment"])
        terminate, minutes = update_policy(request.get("updatePolicy") or environment.get("updatePolicy") or {})
        changes = dict(request.get("computeResources") or {})
        replaced = infrastructure_changes(environment, changes)
        if replaced:
            check_infrastructure_update(environment, replaced)
        for field in ("state", "serviceRole", "updatePolicy", "unmanagedvCpus"):
            if request.get(field) is not None:
                environment[field] = request[field]
        changes.pop("updateToLatestImageVersion", None)
        if changes:
            environment["computeResources"] = {**environment.get("computeResources", {}), **changes}
        if replaced:
            self._scheduler.replace_machines(environment, minutes=0 if terminate else minutes)
        self._scheduler.environment_changed()
        return {
            "computeEnvironmentName": environment["computeEnvironmentName"],
            "computeEnvironmentArn": environment["computeEnvironmentArn"],
        }

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteComputeEnvironment: it must be disabled and used by no queue; its instances are terminated.

        AWS requires that jobs have ended only on Fargate
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_DeleteComputeEnvironment.html) and calls deletion
        the way to stop paying for instances whose jobs still run (API_UpdateComputeEnvironment, ``state``), so jobs on
        EC2 lose their instances.
        """
        environment = self._get(request["computeEnvironment"])
        arn = environment["computeEnvironmentArn"]
        if environment["state"] != "DISABLED":
            raise ClientError("Cannot delete, compute environment must be DISABLED first")
        for queue in self._store.queues.values():
            if any(entry["computeEnvironment"] == arn for entry in queue["computeEnvironmentOrder"]):
                raise ClientError("Cannot delete, found existing JobQueue relationship")
        del self._store.environments[environment["computeEnvironmentName"]]
        self._scheduler.reclaim(lambda job: job.current is not None and job.current.environment_arn == arn)
        return {}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeComputeEnvironments."""
        found, token = chosen(
            self._store.environments,
            [self._store.arns.name(_KIND, each) for each in request.get("computeEnvironments") or []],
            request,
        )
        return {"computeEnvironments": found, **token}

    def _get(self, reference: str) -> Resource:
        environment = self._store.environment(reference)
        if environment is None:
            raise ClientError(f"{reference} does not exist")
        return environment


def _with_defaults(resources: dict[str, Any]) -> dict[str, Any]:
    """Return the properties with AWS's defaults for a managed environment."""
    missing = [key for key in ("type", "maxvCpus", "subnets") if not resources.get(key) and resources.get(key) != 0]
    if missing:
        raise ClientError(f"computeResources: {', '.join(missing)} must be given for a MANAGED environment")
    if str(resources["type"]).startswith("FARGATE"):
        return resources
    for key in ("minvCpus", "instanceTypes", "instanceRole"):
        if resources.get(key) in (None, "", []):
            raise ClientError(f"computeResources.{key} must be given for EC2 and SPOT")
    resources.setdefault("desiredvCpus", resources["minvCpus"])
    resources.setdefault("ec2Configuration", [{"imageType": "ECS_AL2023"}])
    return resources
