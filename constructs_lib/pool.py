"""A pool: machines of one kind and the job queue before them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from constructs_lib.machine_profile import MachineProfile
from constructs_lib.machine_template import MachineTemplate, MachineTemplateProps
from constructs_lib.network import Network
from constructs_lib.site import Site
from dropbatch.contract import batch_reasons

__all__ = ["Pool", "PoolProps"]

_ALLOCATION = {"SPOT": "SPOT_CAPACITY_OPTIMIZED", "EC2": "BEST_FIT_PROGRESSIVE"}
"""Those with which provider 5.100 changes an environment in place, and jobs on it may end. With others, a new version
of the machines' template is planned as a change, found to be a replacement when it is applied, and fails then."""
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
        environment = self._environment(props)
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

    def _environment(self, props: PoolProps) -> BatchComputeEnvironment:
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
        return BatchComputeEnvironment(
            self,
            "Environment",
            # A prefix, a new one before the old one goes, and no service role of our own (Batch then uses its
            # service-linked one): otherwise changes end in a deadlock with the attached queue,
            # https://github.com/hashicorp/terraform-provider-aws/issues/11077
            compute_environment_name_prefix=props.site.name(props.name, ""),
            type="MANAGED",
            state="ENABLED",
            compute_resources={
                "type": kind,
                "allocation_strategy": _ALLOCATION[kind],
                "min_vcpus": props.min_vcpus,
                "max_vcpus": props.max_vcpus,
                "instance_type": list(props.instance_types),
                "instance_role": props.profile.arn,
                "subnets": props.network.subnet_ids,
                "security_group_ids": [props.network.security_group_id],
                "launch_template": {"launch_template_id": template.id, "version": template.version},
                "ec2_configuration": [
                    BatchComputeEnvironmentComputeResourcesEc2Configuration(
                        image_type="ECS_AL2023_NVIDIA" if props.gpu else "ECS_AL2023", image_id_override=props.ami
                    )
                ],
            },
            update_policy={"job_execution_timeout_minutes": 30, "terminate_jobs_on_update": False},
            lifecycle={
                "create_before_destroy": True,
                # Batch moves the one, the spend guard the other.
                "ignore_changes": ["compute_resources[0].desired_vcpus", "state"],
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
