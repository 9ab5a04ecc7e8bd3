"""Jobs of one pipeline for one group: definition and role."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cdktf_cdktf_provider_aws.batch_job_definition import (
    BatchJobDefinition,
    BatchJobDefinitionRetryStrategyEvaluateOnExit,
)
from constructs import Construct

from constructs_lib.container import Container, Resources, Surroundings
from constructs_lib.json_text import json_text
from constructs_lib.log_group import LogGroup
from constructs_lib.policy import Statement
from constructs_lib.reachable import Reachable
from constructs_lib.role import Role, RoleProps
from constructs_lib.site import Site
from dropbatch.contract import batch_reasons, job_environment, keys

__all__ = ["Job", "JobProps", "Retry"]


@dataclass(frozen=True, kw_only=True)
class Retry:
    """What Batch does when a try ends in a certain way; all that is given must match."""

    action: str
    """``RETRY`` or ``EXIT``."""
    exit_code: str | None = None
    reason: str | None = None
    status_reason: str | None = None


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
    priority: int
    """Scheduling priority, 0 to 9999, within the group's share of a queue."""
    execution: Role
    """Role by which the container is started."""
    log: LogGroup
    inputs: Reachable
    outputs: Reachable
    read_prefixes: Sequence[str] = ()
    """Folders of the input bucket outside the group's own that its programs may read."""
    retries: Sequence[Retry] = ()
    """Rules that come before those about machines and images."""
    surroundings: Surroundings = field(default_factory=Surroundings)
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
                boundary=props.site.boundary,
            ),
        )
        with role.at_once():
            _grant_data(role, props)
        BatchJobDefinition(
            self,
            "Definition",
            name=name,
            type="container",
            platform_capabilities=["EC2"],
            container_properties=json_text(
                Container(
                    image=props.image,
                    command=props.command,
                    resources=props.resources,
                    surroundings=props.surroundings,
                    variables={job_environment.OUTPUT_BUCKET: props.outputs.name},
                    log_stream=f"{props.group}/{props.pipeline}",
                ).properties(props.site, props.log, job_role=role.arn, execution_role=props.execution.arn)
            ),
            retry_strategy={
                "attempts": props.tries,
                "evaluate_on_exit": [
                    *(_own_rule(each) for each in props.retries),
                    _rule("RETRY", on_status_reason=batch_reasons.HOST_TERMINATED.pattern),
                    _rule("RETRY", on_reason=batch_reasons.IMAGE_NOT_PULLED.pattern),
                    _rule("EXIT", on_reason="*"),  # without a match Batch would try again
                ],
            },
            timeout={"attempt_duration_seconds": props.timeout_minutes * 60},
            # A queue with a fair-share policy takes no job without one: terraform-provider-aws#31226. The provider does
            # not send 0 (`GetOk` in internal/service/batch/job_definition.go): then only the submission has it.
            scheduling_priority=props.priority,
            deregister_on_new_revision=False,
            propagate_tags=True,
            tags={
                **props.surroundings.tags,
                "dropbatch:group": props.group,
                "dropbatch:pipeline": props.pipeline,
            },
            depends_on=[*role.rights, *props.after],
        )


def _own_rule(rule: Retry) -> BatchJobDefinitionRetryStrategyEvaluateOnExit:
    given = {"on_exit_code": rule.exit_code, "on_reason": rule.reason, "on_status_reason": rule.status_reason}
    return _rule(rule.action, **{name: value for name, value in given.items() if value is not None})


def _rule(action: str, **condition: str) -> BatchJobDefinitionRetryStrategyEvaluateOnExit:
    return BatchJobDefinitionRetryStrategyEvaluateOnExit(action=action, **condition)


def _grant_data(role: Role, props: JobProps) -> None:
    """The group's inputs, results of this pipeline, and its own control objects."""
    group, pipeline = props.group, props.pipeline
    own = f"{group}/{pipeline}/"
    folders = (own, f"{group}/{keys.INPUTS}/", f"{group}/{keys.CONFIGS}/", *props.read_prefixes)
    props.inputs.grant(role, "ReadInputs", ["GetObject", "GetObjectVersion"], *folders)
    props.inputs.grant_list_below(role, "ListInputs", *folders)
    before = [f"{group}/{name}/" for name in props.surroundings.after]
    if before:
        props.outputs.grant(role, "ReadEarlierResults", ["GetObject", "GetObjectVersion"], *before)
    # Its own too: what a try that was killed has published is looked for, and removed, before the next one begins.
    props.outputs.grant_list_below(role, "ListResults", own, *before)
    props.outputs.grant(role, "ReadManifests", ["GetObject"], keys.manifest_key(group, pipeline, "*"))
    props.outputs.grant(role, "ClaimRuns", ["GetObject", "PutObject"], f"{keys.CONTROL_PREFIX}started/{own}")
    props.outputs.grant(role, "PublishResults", ["PutObject", "DeleteObject", "AbortMultipartUpload"], own)
    names = [f"arn:{props.site.partition}:s3:::{name}" for name in props.surroundings.read_buckets]
    if names:
        actions = ["s3:GetObject", "s3:GetObjectVersion"]
        role.grant(
            Statement(sid="ReadOtherBuckets", actions=actions, resources=[f"{name}/*" for name in names]),
            Statement(sid="ListOtherBuckets", actions=["s3:ListBucket", "s3:ListBucketVersions"], resources=names),
        )
