"""What a run may ask for beyond its job definition: part of what makes runs alike enough to share a job."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Overrides"]


class Overrides(NamedTuple):
    """Resources other than the job definition's; None leaves what it says."""

    vcpus: int | None = None
    memory_mib: int | None = None
    timeout_minutes: int | None = None

    def to_dict(self) -> dict[str, int]:
        """Plain values of what is set: the field ``overrides`` of RUN and JOB items."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Overrides":
        """The overrides of a RUN or JOB item, which has none when it was written without."""
        return cls(**item.get("overrides", {}))

    def request(self) -> dict[str, Any]:
        """Fields of SubmitJob: ``containerOverrides`` as far as resources go, and ``timeout``."""
        wanted = (("VCPU", self.vcpus), ("MEMORY", self.memory_mib))
        requirements = [{"type": kind, "value": str(value)} for kind, value in wanted if value is not None]
        found: dict[str, Any] = {}
        if requirements:
            found["containerOverrides"] = {"resourceRequirements": requirements}
        if self.timeout_minutes is not None:
            found["timeout"] = {"attemptDurationSeconds": self.timeout_minutes * 60}
        return found
