"""Network, pools and pipelines of a stack, from the settings of its environment."""

from dataclasses import replace

from constructs import Construct

from constructs_lib.assets import Image
from constructs_lib.container import Resources, Surroundings
from constructs_lib.existing_network import ExistingNetwork, ExistingNetworkProps
from constructs_lib.flow_logs import FlowLogs, FlowLogsProps
from constructs_lib.job import Retry
from constructs_lib.machine_profile import MachineProfile, MachineProfileProps
from constructs_lib.network import Network, NetworkProps
from constructs_lib.pipeline import Pipeline, PipelineProps, Shared
from constructs_lib.pool import Pool, PoolProps
from constructs_lib.registry import Registry
from constructs_lib.site import Site
from dropbatch.contract.options import Options
from dropbatch.settings import Settings
from dropbatch.settings.image_uri import repository_of

__all__ = ["make_pipeline", "make_pools"]


def _make_network(scope: Construct, settings: Settings, site: Site) -> Network | ExistingNetwork:
    wanted = settings.network
    all_ports = wanted.egress == "all"
    network: Network | ExistingNetwork
    if wanted.kind == "existing":
        network = ExistingNetwork(
            scope,
            "ExistingNetwork",
            ExistingNetworkProps(
                site=site, vpc_id=wanted.vpc_id or "", subnet_ids=wanted.subnet_ids, all_ports=all_ports
            ),
        )
    else:
        network = Network(
            scope,
            "Network",
            NetworkProps(
                site=site,
                cidr=wanted.cidr,
                private=wanted.kind == "private",
                nat_per_zone=wanted.nat == "per_zone",
                all_ports=all_ports,
            ),
        )
    if wanted.flow_logs:
        FlowLogs(scope, "FlowLogs", FlowLogsProps(site=site, vpc_id=network.vpc_id))
    return network


def make_pools(scope: Construct, settings: Settings, site: Site, registry: Registry) -> dict[str, Pool]:
    """The network and the pools in it, by name."""
    network = _make_network(scope, settings, site)
    others = {repository.arn for each in settings.pipeline.values() if (repository := repository_of(each.image))}
    machines = MachineProfileProps(site=site, registry=registry, repositories=sorted(others))
    profile = MachineProfile(scope, "MachineProfile", machines)
    open_profile = profile
    if any(pool.session_manager for pool in settings.compute.values()):
        open_profile = MachineProfile(
            scope,
            "OpenMachineProfile",
            replace(machines, name="open-machines", session_manager=True),
        )
    return {
        name: Pool(
            scope,
            f"Pool-{name}",
            PoolProps(
                site=site,
                name=name,
                spot=pool.kind == "spot",
                network=network,
                profile=open_profile if pool.session_manager else profile,
                min_vcpus=pool.min_vcpus,
                max_vcpus=pool.max_vcpus,
                instance_types=pool.types,
                priority=pool.priority,
                root_gib=pool.root_gib,
                scratch_gib=pool.scratch_gib,
                gpu=pool.gpu,
                ami=pool.ami,
                session_manager=pool.session_manager,
                shares={group: settings.group[group].share_weight for group in sorted(settings.group)},
            ),
        )
        for name, pool in settings.compute.items()
    }


def make_pipeline(scope: Construct, name: str, settings: Settings, shared: Shared, image: Image) -> None:
    """A pipeline as it is set."""
    pipeline = settings.pipeline[name]
    Pipeline(
        scope,
        f"Pipeline-{name}",
        PipelineProps(
            name=name,
            groups={group: settings.group[group].read_prefixes for group in settings.groups_of(name)},
            image=image,
            command=pipeline.command,
            resources=Resources(
                vcpus=pipeline.vcpus,
                memory_mib=pipeline.memory_mib,
                gpus=pipeline.gpus,
                shared_memory_mib=pipeline.shared_memory_mib,
                ulimits=pipeline.ulimits,
            ),
            timeout_minutes=pipeline.timeout_minutes,
            tries=pipeline.tries,
            priority=pipeline.priority,
            retries=[
                Retry(
                    action=rule.action.upper(),
                    exit_code=rule.exit_code,
                    reason=rule.reason,
                    status_reason=rule.status_reason,
                )
                for rule in pipeline.retry
            ],
            surroundings=Surroundings(
                environment=pipeline.environment,
                secrets=pipeline.secrets,
                secret_keys=pipeline.secret_keys,
                mounts=pipeline.mounts,
                read_buckets=pipeline.read_buckets,
                after=[pipeline.after] if pipeline.after else [],
                options=Options(
                    input_flags=pipeline.input_flags,
                    output_flags=pipeline.output_flags,
                    requires_config=pipeline.requires_config,
                    requires_output=pipeline.requires_output,
                ),
                tags=pipeline.tags,
            ),
            shared=shared,
        ),
    )
