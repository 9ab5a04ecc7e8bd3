"""Role and instance profile of the machines."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import DataResource, LocalExecProvisioner
from cdktf_cdktf_provider_aws.iam_instance_profile import IamInstanceProfile
from constructs import Construct

from constructs_lib.policy import Statement
from constructs_lib.project_command import project_command
from constructs_lib.registry import Registry
from constructs_lib.role import Role, RoleProps
from constructs_lib.site import Site

__all__ = ["MachineProfile", "MachineProfileProps"]

_SHELLS = (
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)


@dataclass(frozen=True, kw_only=True)
class MachineProfileProps:
    """What machines have to reach."""

    site: Site
    registry: Registry
    repositories: Sequence[str] = ()
    """ARNs of private repositories beside the registry that pipelines' images are in."""
    name: str = "machines"
    """Ends the names of role and profile."""
    session_manager: bool = False
    """Whether people may open a shell on the machines."""


class MachineProfile(Construct):
    """The rights of the machines themselves: join the cluster, pull images. Logs are sent by execution roles."""

    def __init__(self, scope: Construct, id_: str, props: MachineProfileProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        role = Role(
            self,
            "Role",
            RoleProps(
                name=f"{site.prefix}.{props.name}",
                service="ec2.amazonaws.com",
                description="Machines of the pools: the ECS agent",
                boundary=site.boundary,
            ),
        )
        # AWS Batch makes the cluster and puts the compute environment's name into the cluster's.
        clusters = site.arn("ecs", f"cluster/*{site.prefix}-*")
        instances = site.arn("ecs", f"container-instance/*{site.prefix}-*")
        role.grant(
            # Has no resource level.
            Statement(sid="FindCluster", actions=["ecs:DiscoverPollEndpoint"], resources=["*"]),
            Statement(
                sid="JoinCluster",
                actions=[
                    "ecs:RegisterContainerInstance",
                    "ecs:DeregisterContainerInstance",
                    "ecs:SubmitAttachmentStateChanges",
                    "ecs:SubmitContainerStateChange",
                    "ecs:SubmitTaskStateChange",
                ],
                resources=[clusters],
            ),
            Statement(
                sid="TakeTasks",
                actions=[
                    "ecs:Poll",
                    "ecs:StartTelemetrySession",
                    "ecs:UpdateContainerInstancesState",
                    "ecs:TagResource",
                ],
                resources=[instances],
            ),
        )
        if props.session_manager:
            # Have no resource level.
            role.grant(Statement(sid="OpenShells", actions=_SHELLS, resources=["*"]))
        # ECS says with each task whether the agent pulls by the job's execution role (`ShouldPullWithExecutionRole` in
        # https://github.com/aws/amazon-ecs-agent/blob/master/agent/engine/docker_task_engine.go); if not, it pulls by
        # this one (https://docs.aws.amazon.com/AmazonECR/latest/userguide/ECR_on_ECS.html). So both get the right.
        props.registry.grant_pull(role, *props.repositories)
        profile = IamInstanceProfile(self, "Profile", name=site.name(props.name), role=role.name)
        command = project_command(
            "dropbatch.machines", "await-profile", "--region", site.region, "--profile", site.name(props.name)
        )
        known = DataResource(
            self,
            "Known",
            triggers_replace={"profile": profile.unique_id},
            provisioners=[LocalExecProvisioner(type="local-exec", command=command)],
        )
        self.arn: str = profile.arn
        self.rights = [*role.rights, known]
