"""Resources of a run that override those of its job definition. Runs of one job have equal overrides."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Overrides"]


class Overrides(NamedTuple):
    """Overridden resources; None for the job definition's value."""

    vcpus: int | None = None
    memory_mib: int | None = None
    timeout_minutes: int | None = None

    def to_dict(self) -> dict[str, int]:
        """Return the values that are set, for the field ``overrides`` of RUN and JOB items."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Overrides":
        """Return the overrides of a RUN or JOB item."""
        return cls(**item.get("overrides", {}))

    def request(self) -> dict[str, Any]:
        """Return the fields of SubmitJob: ``containerOverrides`` with the resources, and ``timeout``."""
        wanted = (("VCPU", self.vcpus), ("MEMORY", self.memory_mib))
        requirements = [{"type": kind, "value": str(value)} for kind, value in wanted if value is not None]
        fields: dict[str, Any] = {}
        if requirements:
            fields["containerOverrides"] = {"resourceRequirements": requirements}
        if self.timeout_minutes is not None:
            fields["timeout"] = {"attemptDurationSeconds": self.timeout_minutes * 60}
        return fields
