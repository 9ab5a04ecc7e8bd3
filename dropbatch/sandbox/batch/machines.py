"""Check whether a job fits the instance types of a compute environment."""

from functools import cache
from typing import Any

from dropbatch.sandbox.batch.model import Template
from dropbatch.settings.instances import expand

__all__ = ["holds"]

# The families that ``optimal`` chooses from: AWS Batch user guide, "instanceTypes".
_FAMILIES = {"optimal": ("c4", "m4", "r4")}


def holds(environment: dict[str, Any], template: Template) -> bool:
    """Return whether a type has enough vCPUs, nominal memory and GPUs; unknown types count as large enough."""
    types = environment.get("computeResources", {}).get("instanceTypes") or []
    gpus = next(
        (each["value"] for each in template.container.get("resourceRequirements") or [] if each["type"] == "GPU"), 0
    )
    return _any_holds(tuple(types), template.vcpus, template.memory_mib, int(gpus))


@cache
def _any_holds(types: tuple[str, ...], vcpus: float, memory_mib: int, gpus: int) -> bool:
    machines, unknown = expand([name for each in types for name in _FAMILIES.get(each, (each,))])
    return (
        not types
        or bool(unknown)
        or any(each.vcpus >= vcpus and each.memory_mib >= memory_mib and each.gpus >= gpus for each in machines)
    )
