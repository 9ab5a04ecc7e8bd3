"""A pipeline: its image, and a job definition with a role for every group that uses it."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import DataResource, LocalExecProvisioner
from constructs import Construct

from constructs_lib.assets import Image
from constructs_lib.bucket import Bucket
from constructs_lib.job import Job, JobProps, Resources
from constructs_lib.log_group import LogGroup
from constructs_lib.registry import Registry
from constructs_lib.role import Role, RoleProps
from constructs_lib.site import Site

__all__ = ["Pipeline", "PipelineProps"]

# Run by Terraform in the folder of the stack, cdktf.out/stacks/<environment>; whoever runs it elsewhere says where the
# project is. `$${` is how Terraform writes the shell's `${`. The project's own Python comes before the one on PATH.
_PUSH = (
    'cd "$${{DROPBATCH_PROJECT_ROOT:-../../..}}" && PATH="$PWD/.venv/bin:$PATH" exec python3 -m dropbatch.images push '
    "--directory '{directory}' --tag '{tag}' --repository '{repository}'"
)


@dataclass(frozen=True, kw_only=True)
class PipelineProps:
    """A program, what it needs, and who uses it."""

    site: Site
    name: str
    image: Image
    command: Sequence[str]
    resources: Resources
    timeout_minutes: int
    tries: int
    groups: Sequence[str]
    registry: Registry
    job_logs: LogGroup
    inputs: Bucket
    outputs: Bucket


class Pipeline(Construct):
    """The image, pushed when it is new, and one `Job` per group."""

    def __init__(self, scope: Construct, id_: str, props: PipelineProps) -> None:
        super().__init__(scope, id_)
        execution = Role(
            self,
            "Execution",
            RoleProps(
                # The dot keeps the name apart from those of job roles.
                name=f"{props.site.name(props.name)}.execution",
                service="ecs-tasks.amazonaws.com",
                description=f"Starts containers of pipeline {props.name}",
                conditions=props.site.only_for("ecs"),
            ),
        )
        props.registry.grant_pull(execution)
        uri, pushed = self._image(props)
        self.jobs = {
            group: Job(
                self,
                group.capitalize(),
                JobProps(
                    site=props.site,
                    pipeline=props.name,
                    group=group,
                    image=uri,
                    command=props.command,
                    resources=props.resources,
                    timeout_minutes=props.timeout_minutes,
                    tries=props.tries,
                    execution=execution,
                    log=props.job_logs,
                    inputs=props.inputs,
                    outputs=props.outputs,
                    after=[*pushed, *execution.rights],
                ),
            )
            for group in props.groups
        }

    def _image(self, props: PipelineProps) -> tuple[str, list[Construct]]:
        """The image's URI, and what must be done before it can be pulled."""
        if props.image.uri is not None:
            return props.image.uri, []
        registry, image = props.registry, props.image
        push = DataResource(
            self,
            "Image",
            triggers_replace={"tag": image.tag, "repository": registry.url},
            provisioners=[
                LocalExecProvisioner(
                    type="local-exec",
                    command=_PUSH.format(directory=image.directory, tag=image.tag, repository=registry.url),
                )
            ],
        )
        return f"{registry.url}:{image.tag}", [push]
