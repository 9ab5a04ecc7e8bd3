"""A pool: a compute environment and its job queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdktf import Fn, TerraformLocal
from cdktf_cdktf_provider_aws.batch_compute_environment import (
    BatchComputeEnvironment,
    BatchComputeEnvironmentComputeResourcesEc2Configuration,
)
from cdktf_cdktf_provider_aws.batch_job_queue import (
    BatchJobQueue,
    BatchJobQueueComputeEnvironmentOrder,
    BatchJobQueueJobStateTimeLimitAction,
)
from cdktf_cdktf_provider_aws.batch_scheduling_policy import (
    BatchSchedulingPolicy,
    BatchSchedulingPolicyFairSharePolicyShareDistribution,
)
from constructs import Construct

from constructs_lib.existing_network import ExistingNetwork
from constructs_lib.machine_change import MachineChange, MachineChangeProps
from constructs_lib.machine_profile import MachineProfile
from constructs_lib.machine_template import MachineTemplate, MachineTemplateProps
from constructs_lib.network import Network
from constructs_lib.site import Site
from dropbatch.contract import batch_reasons

__all__ = ["Pool", "PoolProps"]

_ALLOCATION = {"SPOT": "SPOT_CAPACITY_OPTIMIZED", "EC2": "BEST_FIT_PROGRESSIVE"}
"""Those with which Batch replaces machines (`dropbatch.machines`) and provider 5.100 never replaces the environment."""
_HEAD_OF_QUEUE_SECONDS = 600  # the least AWS takes


@dataclass(frozen=True, kw_only=True)
class PoolProps:
    """Machines of one kind."""

    site: Site
    name: str
    spot: bool
    network: Network | ExistingNetwork
    profile: MachineProfile
    max_vcpus: int
    instance_types: Sequence[str]
    """Families or exact types."""
    shares: Mapping[str, int]
    """Weights of share identifiers, which are the groups: who has twice the weight may use twice as much."""
    min_vcpus: int = 0
    priority: int = 1
    root_gib: int = 50
    scratch_gib: int = 0
    """Size of a disk for the jobs' scratch space. Default: none, it is on the root disk."""
    gpu: bool = False
    """Whether the machines have GPUs: they need an image with NVIDIA's driver."""
    ami: str | None = None
    """A machine image of one's own. Default: the newest that AWS has for ECS."""
    session_manager: bool = False
    """Whether the agent of Session Manager runs; the profile must allow it."""


class Pool(Construct):
    """Compute environment, job queue and fair-share policy."""

    def __init__(self, scope: Construct, id_: str, props: PoolProps) -> None:
        super().__init__(scope, id_)
        if props.min_vcpus > props.max_vcpus:
            raise ValueError(
                f"pool {props.name}: min_vcpus must not exceed max_vcpus ({props.max_vcpus}), "
                f"got {props.min_vcpus}: lower it"
            )
        if not all(share.isalnum() for share in props.shares):
            raise ValueError(
                f"pool {props.name}: share identifiers take letters and digits only, got {sorted(props.shares)}: "
                "rename the group"
            )
        machines = self._machines(props)
        environment = self._environment(props, machines)
        MachineChange(
            self,
            "Change",
            MachineChangeProps(site=props.site, environment_arn=environment.arn, resources=machines),
        )
        policy = self._fair_share(props)
        queue = BatchJobQueue(
            self,
            "Queue",
            name=props.site.name(props.name),
            state="ENABLED",
            priority=props.priority,
            scheduling_policy_arn=policy.arn,
            compute_environment_order=[
                BatchJobQueueComputeEnvironmentOrder(order=1, compute_environment=environment.arn)
            ],
            # A job that cannot start is cancelled, so that it can be sent to the pipeline's next pool.
            job_state_time_limit_action=[
                BatchJobQueueJobStateTimeLimitAction(
                    action="CANCEL", state="RUNNABLE", reason=reason.start, max_time_seconds=_HEAD_OF_QUEUE_SECONDS
                )
                for reason in batch_reasons.TIME_LIMIT_REASONS
            ],
            # Paused by the spend guard: a deploy must not resume it.
            lifecycle={"ignore_changes": ["state"]},
        )
        self.name: str = props.name
        cluster = TerraformLocal(self, "Cluster", Fn.element(Fn.split("/", environment.ecs_cluster_arn), 1))
        self.cluster_name: str = cluster.as_string
        """The ECS cluster that Batch made for the machines."""
        self.queue_arn: str = queue.arn
        self.queue_name: str = queue.name

    def _machines(self, props: PoolProps) -> dict[str, Any]:
        """Return what the machines are, as Batch names it."""
        template = MachineTemplate(
            self,
            "Machines",
            MachineTemplateProps(
                site=props.site,
                pool=props.name,
                root_gib=props.root_gib,
                scratch_gib=props.scratch_gib,
                session_manager=props.session_manager,
            ),
        )
        kind = "SPOT" if props.spot else "EC2"
        image = {"imageType": "ECS_AL2023_NVIDIA" if props.gpu else "ECS_AL2023"}
        return {
            "type": kind,
            "allocationStrategy": _ALLOCATION[kind],
            "instanceTypes": list(props.instance_types),
            "instanceRole": props.profile.arn,
            "subnets": props.network.subnet_ids,
            "securityGroupIds": [props.network.security_group_id],
            "launchTemplate": {"launchTemplateId": template.id, "version": template.version},
            "ec2Configuration": [image | ({"imageIdOverride": props.ami} if props.ami else {})],
        }

    def _environment(self, props: PoolProps, machines: Mapping[str, Any]) -> BatchComputeEnvironment:
        template, (image,) = machines["launchTemplate"], machines["ec2Configuration"]
        resources = {
            "type": machines["type"],
            "allocation_strategy": machines["allocationStrategy"],
            "instance_type": machines["instanceTypes"],
            "instance_role": machines["instanceRole"],
            "subnets": machines["subnets"],
            "security_group_ids": machines["securityGroupIds"],
            "launch_template": {"launch_template_id": template["launchTemplateId"], "version": template["version"]},
            "ec2_configuration": [
                BatchComputeEnvironmentComputeResourcesEc2Configuration(
                    image_type=image["imageType"], image_id_override=image.get("imageIdOverride")
                )
            ],
        }
        return BatchComputeEnvironment(
            self,
            "Environment",
            # A prefix, a new one before the old one goes, and no service role of our own (Batch then uses its
            # service-linked one): otherwise changes end in a deadlock with the attached queue,
            # https://github.com/hashicorp/terraform-provider-aws/issues/11077
            compute_environment_name_prefix=props.site.name(props.name, ""),
            type="MANAGED",
            state="ENABLED",
            compute_resources={"min_vcpus": props.min_vcpus, "max_vcpus": props.max_vcpus, **resources},
            lifecycle={
                "create_before_destroy": True,
                "ignore_changes": [
                    # Batch moves the one, the spend guard the other.
                    *("compute_resources[0].desired_vcpus", "state"),
                    # Changing these replaces the machines, which is left to `MachineChange`, with a policy of its own.
                    *(f"compute_resources[0].{each}" for each in resources),
                    "update_policy",
                ],
            },
            depends_on=props.profile.rights,
        )

    def _fair_share(self, props: PoolProps) -> BatchSchedulingPolicy:
        # From the start, since a queue cannot be given a policy later. AWS's factor is the other way round: the lower,
        # the larger the share; it takes four decimals, from 0.0001.
        return BatchSchedulingPolicy(
            self,
            "FairShare",
            name=props.site.name(props.name),
            fair_share_policy={
                "share_decay_seconds": 3600,
                "compute_reservation": 0,
                "share_distribution": [
                    BatchSchedulingPolicyFairSharePolicyShareDistribution(
                        share_identifier=share, weight_factor=round(1 / weight, 4)
                    )
                    for share, weight in props.shares.items()
                ],
            },
        )
