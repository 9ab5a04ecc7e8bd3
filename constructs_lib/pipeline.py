"""A pipeline: its image, and a job definition with a role for every group that uses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cdktf import DataResource, LocalExecProvisioner
from constructs import Construct

from constructs_lib.assets import Image
from constructs_lib.container import Resources, Surroundings
from constructs_lib.job import Job, JobProps, Retry
from constructs_lib.log_group import LogGroup
from constructs_lib.policy import Statement
from constructs_lib.project_command import project_command
from constructs_lib.reachable import Reachable
from constructs_lib.registry import Registry
from constructs_lib.role import Role, RoleProps
from constructs_lib.site import Site
from dropbatch.settings.image_uri import repository_of

__all__ = ["Pipeline", "PipelineProps", "Shared"]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all pipelines of a deployment have in common."""

    site: Site
    registry: Registry
    job_logs: LogGroup
    inputs: Reachable
    outputs: Reachable


@dataclass(frozen=True, kw_only=True)
class PipelineProps:
    """A program, what it needs, and where it runs."""

    shared: Shared
    name: str
    groups: Mapping[str, Sequence[str]]
    """Groups that use it; of each the folders outside its own that it may read."""
    image: Image
    command: Sequence[str]
    resources: Resources
    timeout_minutes: int
    tries: int
    priority: int
    """Scheduling priority of its jobs, 0 to 9999, within their group's share of a queue."""
    retries: Sequence[Retry] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)


class Pipeline(Construct):
    """The image, pushed when it is new, and one `Job` per group."""

    def __init__(self, scope: Construct, id_: str, props: PipelineProps) -> None:
        super().__init__(scope, id_)
        execution = Role(
            self,
            "Execution",
            RoleProps(
                # The dot keeps the name apart from those of job roles.
                name=f"{props.shared.site.name(props.name)}.execution",
                service="ecs-tasks.amazonaws.com",
                description=f"Starts containers of pipeline {props.name}",
                conditions=props.shared.site.only_for("ecs"),
                boundary=props.shared.site.boundary,
            ),
        )
        with execution.at_once():
            other = repository_of(props.image.uri or "")
            props.shared.registry.grant_pull(execution, *([other.arn] if other else []))
            props.shared.job_logs.grant_write(execution)
            _grant_secrets(execution, props.surroundings)
        uri, pushed = self._image(props)
        self.jobs = {
            group: Job(
                self,
                group.capitalize(),
                JobProps(
                    site=props.shared.site,
                    pipeline=props.name,
                    group=group,
                    image=uri,
                    command=props.command,
                    resources=props.resources,
                    timeout_minutes=props.timeout_minutes,
                    tries=props.tries,
                    priority=props.priority,
                    execution=execution,
                    log=props.shared.job_logs,
                    inputs=props.shared.inputs,
                    outputs=props.shared.outputs,
                    read_prefixes=prefixes,
                    retries=props.retries,
                    surroundings=props.surroundings,
                    after=[*pushed, *execution.rights],
                ),
            )
            for group, prefixes in props.groups.items()
        }

    def _image(self, props: PipelineProps) -> tuple[str, list[Construct]]:
        """The image's URI, and what must be done before it can be pulled."""
        if props.image.uri is not None:
            return props.image.uri, []
        registry, image = props.shared.registry, props.image
        push = DataResource(
            self,
            "Image",
            triggers_replace={"tag": image.tag, "repository": registry.url},
            provisioners=[
                LocalExecProvisioner(
                    type="local-exec",
                    command=project_command(
                        "dropbatch.images",
                        "push",
                        *(("--directory", image.directory) if image.directory else ()),
                        *(("--base", image.base) if image.base else ()),
                        *("--tag", image.tag),
                        *("--repository", registry.url),
                        *("--architecture", image.architecture),
                    ),
                )
            ],
        )
        return f"{registry.url}:{image.tag}", [push]


def _grant_secrets(execution: Role, surroundings: Surroundings) -> None:
    """Let containers of this pipeline, and of no other, be started with its secrets."""
    arns = surroundings.secrets.values()
    # Behind the secret's name may stand key and version: `…:secret:name-AbCdEf:key:stage:version`.
    secrets = sorted({":".join(arn.split(":")[:7]) for arn in arns if ":secretsmanager:" in arn})
    parameters = sorted({arn for arn in arns if ":ssm:" in arn})
    if secrets:
        action = "secretsmanager:GetSecretValue"
        execution.grant(Statement(sid="ReadSecrets", actions=[action], resources=secrets))
    if parameters:
        execution.grant(Statement(sid="ReadParameters", actions=["ssm:GetParameters"], resources=parameters))
    if surroundings.secret_keys:
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html#task-execution-secrets;
        # the services' names: https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
        services = sorted({f"{service}.{region}.amazonaws.com" for _, _, service, region, *_ in map(_parts, arns)})
        execution.grant(
            Statement(
                sid="DecryptSecrets",
                actions=["kms:Decrypt"],
                resources=sorted(surroundings.secret_keys),
                conditions={"StringEquals": {"kms:ViaService": services}},
            )
        )


def _parts(arn: str) -> list[str]:
    return arn.split(":")
