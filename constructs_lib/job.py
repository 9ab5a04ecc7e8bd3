"""Jobs of one pipeline for one group: definition and role."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cdktf_cdktf_provider_aws.batch_job_definition import (
    BatchJobDefinition,
    BatchJobDefinitionRetryStrategyEvaluateOnExit,
)
from constructs import Construct

from constructs_lib.bucket import Bucket
from constructs_lib.json_text import json_text
from constructs_lib.log_group import LogGroup
from constructs_lib.role import Role, RoleProps
from constructs_lib.site import Site
from dropbatch.contract import jobs, keys

__all__ = ["Job", "JobProps", "Resources"]

_USER = "10001:10001"
"""Any but root: the machines' credentials are out of reach for such users (see `machine_template`)."""

_RUNTIME = ("dropbatch-run", "--")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a container gets."""

    vcpus: int
    memory_mib: int


@dataclass(frozen=True, kw_only=True)
class JobProps:
    """What Batch has to know."""

    site: Site
    pipeline: str
    group: str
    image: str
    command: Sequence[str]
    resources: Resources
    timeout_minutes: int
    tries: int
    execution: Role
    """Role by which the container is started."""
    log: LogGroup
    inputs: Bucket
    outputs: Bucket
    after: Sequence[Construct] = ()
    """What must exist before the first job."""


class Job(Construct):
    """A job definition with a role of its own.

    An override at submission cannot change the role, so a definition shared by groups would give one group's program
    another group's data.
    """

    def __init__(self, scope: Construct, id_: str, props: JobProps) -> None:
        super().__init__(scope, id_)
        name = props.site.name(props.pipeline, props.group)
        role = Role(
            self,
            "Role",
            RoleProps(
                name=name,
                service="ecs-tasks.amazonaws.com",
                description=f"Program of pipeline {props.pipeline} on data of group {props.group}",
                conditions=props.site.only_for("ecs"),
            ),
        )
        _grant_data(role, props)
        BatchJobDefinition(
            self,
            "Definition",
            name=name,
            type="container",
            platform_capabilities=["EC2"],
            container_properties=json_text(_container(props, role)),
            retry_strategy={
                "attempts": props.tries,
                "evaluate_on_exit": [
                    _rule("RETRY", on_status_reason="Host EC2*"),
                    _rule("RETRY", on_reason="CannotPullContainerError:*"),
                    _rule("EXIT", on_reason="*"),  # without a match Batch would try again
                ],
            },
            timeout={"attempt_duration_seconds": props.timeout_minutes * 60},
            deregister_on_new_revision=False,
            propagate_tags=True,
            tags={"dropbatch:group": props.group, "dropbatch:pipeline": props.pipeline},
            depends_on=[*role.rights, *props.after],
        )


def _rule(action: str, **condition: str) -> BatchJobDefinitionRetryStrategyEvaluateOnExit:
    return BatchJobDefinitionRetryStrategyEvaluateOnExit(action=action, **condition)


def _grant_data(role: Role, props: JobProps) -> None:
    """The group's inputs, results of this pipeline, and its own control objects."""
    group, pipeline = props.group, props.pipeline
    own = f"{group}/{pipeline}/"
    props.inputs.grant(
        role,
        "ReadInputs",
        ["GetObject", "GetObjectVersion"],
        own,
        f"{group}/{keys.INPUTS}/",
        f"{group}/{keys.CONFIGS}/",
    )
    props.outputs.grant(role, "ReadManifests", ["GetObject"], keys.manifest_key(group, pipeline, "*"))
    props.outputs.grant(role, "ClaimRuns", ["GetObject", "PutObject"], f"{keys.CONTROL_PREFIX}started/{own}")
    props.outputs.grant(role, "PublishResults", ["PutObject", "DeleteObject", "AbortMultipartUpload"], own)


def _container(props: JobProps, role: Role) -> dict[str, Any]:
    site = props.site
    environment = {
        jobs.ENVIRONMENT: site.environment,
        jobs.OUTPUT_BUCKET: props.outputs.name,
        jobs.IMAGE: props.image,
        "AWS_REGION": site.region,
        "AWS_DEFAULT_REGION": site.region,
    }
    return {
        "image": props.image,
        "command": [*_RUNTIME, *props.command],
        "jobRoleArn": role.arn,
        "executionRoleArn": props.execution.arn,
        "resourceRequirements": [
            {"type": "VCPU", "value": str(props.resources.vcpus)},
            {"type": "MEMORY", "value": str(props.resources.memory_mib)},
        ],
        "environment": [{"name": name, "value": environment[name]} for name in sorted(environment)],
        "user": _USER,
        "readonlyRootFilesystem": True,
        # Scratch is a volume of the job's own on the machine's disk. Docker gives it the owner and mode of the image's
        # /tmp, so that any user may write; it goes with the container.
        "volumes": [{"name": "scratch"}],
        "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/tmp", "readOnly": False}],  # noqa: S108
        "linuxParameters": {"initProcessEnabled": True},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": props.log.name,
                "awslogs-region": site.region,
                "awslogs-stream-prefix": f"{props.group}/{props.pipeline}",
            },
        },
    }
