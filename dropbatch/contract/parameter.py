"""The SSM parameter of a deployment, from which programs read the names of its resources."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["MAX_BYTES", "DeploymentParameter", "ParameterVersionError", "PipelineNeeds", "parameter_name"]

_VERSION = 1

MAX_BYTES = 4096
"""Maximum size of a standard parameter:
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"""


def parameter_name(environment: str) -> str:
    """Return the name of an environment's parameter; for an empty name, the common prefix of all environments."""
    return f"/dropbatch/{environment}"


class ParameterVersionError(ValueError):
    """The parameter has the format of another release."""


class PipelineNeeds(NamedTuple):
    """Resources of a pipeline's runs, as a copy, since people are not allowed to read job definitions."""

    vcpus: int
    memory_mib: int
    timeout_minutes: int
    tries: int


class DeploymentParameter(NamedTuple):
    """Names of a deployment's resources, and figures by which the command checks and estimates requests."""

    environment: str
    region: str
    input_bucket: str
    output_bucket: str
    ledger_table: str
    log_group: str
    arrival_queue_url: str = ""
    operators_topic_arn: str = ""
    groups: tuple[str, ...] = ()
    needs: Mapping[str, PipelineNeeds] = {}
    """By pipeline."""
    folders: Mapping[str, str] = {}
    """Name of the marker object, by pipeline that takes folders."""
    pools: Mapping[str, str] = {}
    """Name of the job queue, by pool."""
    prices: Mapping[str, tuple[float, float]] = {}
    """USD per vCPU-hour and per GiB-hour, by pool with prices."""

    @property
    def pipelines(self) -> tuple[str, ...]:
        """Names of the pipelines."""
        return tuple(sorted(self.needs))

    def to_json(self) -> str:
        """Return the parameter's value, formatted like Terraform's ``jsonencode``."""
        body = {"version": _VERSION, **self._asdict(), "groups": sorted(self.groups), "pipelines": self.pipelines}
        return json.dumps(body, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "DeploymentParameter":
        """Read the parameter's value; fields of a later version are ignored.

        Raises:
            ParameterVersionError: the value has the format of another release.
        """
        body: dict[str, Any] = json.loads(text)
        if body.get("version") != _VERSION:
            raise ParameterVersionError(f"format {body.get('version')!r}, this one reads {_VERSION}")
        values = {name: body[name] for name in cls._fields if name in body}
        values["groups"] = tuple(body.get("groups", ()))
        values["needs"] = {name: PipelineNeeds(*each) for name, each in body.get("needs", {}).items()}
        values["prices"] = {pool: (each[0], each[1]) for pool, each in body.get("prices", {}).items()}
        return cls(**values)
