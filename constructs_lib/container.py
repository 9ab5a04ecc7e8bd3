"""The container of a job, as AWS Batch describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.log_group import LogGroup
from constructs_lib.site import Site
from dropbatch.contract import job_environment
from dropbatch.contract.options import Options

__all__ = ["Container", "Resources", "Surroundings"]

_USER = "10001:10001"
"""Any but root: the machines' credentials are out of reach for such users (see `machine_template`)."""

_RUNTIME = ("dropbatch-run", "--")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a container gets."""

    vcpus: int
    memory_mib: int
    gpus: int = 0
    shared_memory_mib: int | None = None
    """Size of ``/dev/shm``. Default: Docker's 64."""
    ulimits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a program finds besides its data."""

    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """ARN by variable."""
    secret_keys: Sequence[str] = ()
    """ARNs of customers' keys that the secrets are encrypted with."""
    mounts: Mapping[str, str] = field(default_factory=dict)
    """Place in the container by folder of the machine; ``:rw`` behind it lets the program write."""
    read_buckets: Sequence[str] = ()
    """Names of further buckets that the program may read."""
    after: Sequence[str] = ()
    """Pipelines whose results the program works on."""
    options: Options = field(default_factory=Options)
    """What the pipeline asks of the runtime."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Container:
    """A program below the runtime, not root, on a file system of which it can write the scratch space only."""

    image: str
    command: Sequence[str]
    resources: Resources
    surroundings: Surroundings
    variables: Mapping[str, str]
    """Environment variables of ours, besides those that all containers have."""
    log_stream: str
    """Begins the names of log streams."""

    def properties(self, site: Site, log: LogGroup, *, job_role: str, execution_role: str) -> dict[str, Any]:
        """Batch's container properties. Roles are given by ARN."""
        resources, around = self.resources, self.surroundings
        environment = {
            **around.environment,
            job_environment.ENVIRONMENT: site.environment,
            **self.variables,
            job_environment.IMAGE: self.image,
            **({job_environment.OPTIONS: around.options.to_json()} if around.options != Options() else {}),
            "AWS_REGION": site.region,
            "AWS_DEFAULT_REGION": site.region,
        }
        return {
            "image": self.image,
            "command": [*_RUNTIME, *self.command],
            "jobRoleArn": job_role,
            "executionRoleArn": execution_role,
            "resourceRequirements": [
                {"type": "VCPU", "value": str(resources.vcpus)},
                {"type": "MEMORY", "value": str(resources.memory_mib)},
                *([{"type": "GPU", "value": str(resources.gpus)}] if resources.gpus else []),
            ],
            "environment": [{"name": name, "value": environment[name]} for name in sorted(environment)],
            "user": _USER,
            "readonlyRootFilesystem": True,
            # Scratch is a volume of the job's own on the machine's disk. Docker gives it the owner and mode of the
            # image's /tmp, so that any user may write; it goes with the container.
            "volumes": [
                # With an empty host, as ECS describes such a volume. The provider sees a difference between no host and
                # an empty one, and would make a new revision at each deploy (`equivalentContainerPropertiesJSON`,
                # terraform-provider-aws, internal/service/batch/container_properties.go).
                {"name": "scratch", "host": {}},
                *(
                    {"name": f"mount-{number}", "host": {"sourcePath": folder}}
                    for number, folder in enumerate(around.mounts)
                ),
            ],
            "mountPoints": [
                {"sourceVolume": "scratch", "containerPath": "/tmp", "readOnly": False},  # noqa: S108
                *(_mount_point(number, place) for number, place in enumerate(around.mounts.values())),
            ],
            "linuxParameters": {
                "initProcessEnabled": True,
                **({"sharedMemorySize": resources.shared_memory_mib} if resources.shared_memory_mib else {}),
            },
            **_optional(resources, around),
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": log.name,
                    "awslogs-region": site.region,
                    "awslogs-stream-prefix": self.log_stream,
                },
            },
        }


def _mount_point(number: int, place: str) -> dict[str, Any]:
    path, _, mode = place.partition(":")
    return {"sourceVolume": f"mount-{number}", "containerPath": path, "readOnly": mode != "rw"}


def _optional(resources: Resources, around: Surroundings) -> dict[str, Any]:
    """What Batch does not take empty without showing a change at the next plan."""
    optional: dict[str, Any] = {}
    if resources.ulimits:
        optional["ulimits"] = [
            {"name": name, "softLimit": limit, "hardLimit": limit} for name, limit in sorted(resources.ulimits.items())
        ]
    if around.secrets:
        optional["secrets"] = [{"name": name, "valueFrom": arn} for name, arn in sorted(around.secrets.items())]
    return optional
