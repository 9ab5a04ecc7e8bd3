"""Job definitions: register, deregister, describe."""

from typing import Any

from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.paging import page
from dropbatch.sandbox.batch.store import Resource, Store

__all__ = ["Definitions", "requirements"]

_KIND = "job-definition"
_EMPTY_LISTS = ("command", "volumes", "environment", "mountPoints", "ulimits", "resourceRequirements", "secrets")


class Definitions:
    """Operations on job definitions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, request: dict[str, Any]) -> dict[str, Any]:
        """RegisterJobDefinition: create a new revision; revision numbers are never reused."""
        name = request["jobDefinitionName"]
        if request["type"] != "container" or not request.get("containerProperties"):
            raise ClientError("not supported in the sandbox: job definitions other than type container")
        revisions = self._store.definitions.setdefault(name, [])
        revision = len(revisions) + 1
        definition: Resource = {
            "jobDefinitionName": name,
            "jobDefinitionArn": self._store.arns.of(_KIND, f"{name}:{revision}"),
            "revision": revision,
            "status": "ACTIVE",
            "type": "container",
            "containerProperties": _container(request["containerProperties"]),
            "parameters": dict(request.get("parameters") or {}),
            "tags": dict(request.get("tags") or {}),
            "propagateTags": bool(request.get("propagateTags", False)),
            "platformCapabilities": list(request.get("platformCapabilities") or []),
            "containerOrchestrationType": "ECS",
        }
        if request.get("retryStrategy"):
            definition["retryStrategy"] = retry_strategy(request["retryStrategy"])
        if request.get("timeout"):
            definition["timeout"] = dict(request["timeout"])
        if request.get("schedulingPriority") is not None:
            definition["schedulingPriority"] = request["schedulingPriority"]
        revisions.append(definition)
        return {key: definition[key] for key in ("jobDefinitionName", "jobDefinitionArn", "revision")}

    def deregister(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeregisterJobDefinition: mark the revision INACTIVE; as on AWS it can still be described."""
        reference = request["jobDefinition"]
        if ":" not in self._store.arns.name(_KIND, reference):
            raise ClientError(f"{reference}: name and revision are needed to deregister")
        definition = self._store.definition(reference)
        if definition is not None:
            definition["status"] = "INACTIVE"
        return {}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeJobDefinitions."""
        references = request.get("jobDefinitions") or []
        status = request.get("status")
        name = request.get("jobDefinitionName")
        found: list[Resource] = []
        if references:
            for reference in references:
                if ":" in self._store.arns.name(_KIND, reference):
                    definition = self._store.definition(reference)
                    found += [definition] if definition else []
                else:
                    found += reversed(self._store.definitions.get(self._store.arns.name(_KIND, reference), []))
        else:
            for each in sorted(self._store.definitions):
                if name in (None, each):
                    found += reversed(self._store.definitions[each])
        if status:
            found = [each for each in found if each["status"] == status]
        some, token = page(found, request)
        return {"jobDefinitions": some, **token}


def retry_strategy(strategy: dict[str, Any]) -> dict[str, Any]:
    """Return a ``RetryStrategy`` as AWS describes it."""
    attempts = int(strategy.get("attempts") or 1)
    rules = [{**rule, "action": str(rule["action"]).lower()} for rule in strategy.get("evaluateOnExit") or []]
    return {"attempts": attempts, "evaluateOnExit": rules}


def requirements(container: dict[str, Any]) -> tuple[float, int]:
    """Return the vCPUs and the MiB of memory that a container requests."""
    vcpus, memory = float(container.get("vcpus") or 0), int(container.get("memory") or 0)
    for entry in container.get("resourceRequirements") or []:
        if entry["type"] == "VCPU":
            vcpus = float(entry["value"])
        elif entry["type"] == "MEMORY":
            memory = int(entry["value"])
    return vcpus, memory


def _container(properties: dict[str, Any]) -> dict[str, Any]:
    container = {**{field: [] for field in _EMPTY_LISTS}, **{k: v for k, v in properties.items() if v is not None}}
    container["volumes"] = [_volume(each) for each in container["volumes"]]
    if not container.get("image"):
        raise ClientError("containerProperties.image must be given")
    vcpus, memory = requirements(container)
    if vcpus <= 0:
        raise ClientError("containerProperties.resourceRequirements: a VCPU of more than 0 must be given")
    if memory < 4:
        raise ClientError("containerProperties.resourceRequirements: a MEMORY of at least 4 (MiB) must be given")
    return container


def _volume(volume: dict[str, Any]) -> dict[str, Any]:
    """Return a volume as ECS describes it: ``host`` is empty if Docker chooses the path.

    AWS documents no Batch response with such a volume. Terraform's provider compares its request with the response,
    member by member (terraform-provider-aws, internal/service/batch/container_properties.go).
    """
    placed = any(key.endswith("VolumeConfiguration") for key in volume)
    return volume if placed else {**volume, "host": volume.get("host") or {}}
