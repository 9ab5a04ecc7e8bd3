"""Rules that involve more than one key, which a schema cannot express."""

import ipaddress
import itertools
from collections.abc import Collection, Iterator

from dropbatch.contract.parameter import MAX_BYTES
from dropbatch.contract.suggestions import known_names
from dropbatch.settings import bootstrap, containers, groups, image_uri, machines, parameter
from dropbatch.settings.models import RESERVED_FOLDERS, NetworkSettings, PipelineSettings, Settings

__all__ = ["check"]

_MOST_NOTIFICATIONS = 10  # that a budget may have


def check(settings: Settings, *, expected_name: str, declared_pools: Collection[str]) -> list[str]:
    """Return faults that involve several keys, each as ``key: rule, got value: fix``.

    Tables that did not validate are None here: their own faults are known already, and rules about them are skipped.
    A pool that was declared with faults still counts as declared.
    """
    return [
        *_environment(settings, expected_name),
        *_state(settings),
        *_budget(settings),
        *_network(settings),
        *_storage(settings),
        *_compute(settings, declared_pools),
        *machines.pools(settings),
        *_pipelines(settings, declared_pools),
        *_parameter(settings),
        *machines.pipelines(settings),
        *containers.check(settings),
        *image_uri.check(settings),
        *groups.check(settings),
    ]


def _environment(settings: Settings, expected_name: str) -> Iterator[str]:
    if settings.environment is not None and settings.name != expected_name:
        yield (
            f"environment.name: must be the file's name {expected_name!r}, got {settings.name!r}: "
            "rename the file or the environment"
        )
    if settings.environment is not None and settings.name in bootstrap.RESERVED:
        yield (
            f"environment.name: must not be {' or '.join(map(repr, bootstrap.RESERVED))}, which are names of the "
            f"account's own stack, got {settings.name!r}: choose another name"
        )
    if settings.environment is not None and settings.environment.visibility_seconds is not None:
        least, got = settings.environment.function_seconds, settings.environment.visibility_seconds
        if got < least:
            yield (
                f"environment.visibility_seconds: must be at least {least}, which a function may take (two thirds of "
                f"lease_seconds, at most 120), got {got}: AWS refuses less, raise it or leave it out"
            )


def _state(settings: Settings) -> Iterator[str]:
    state = settings.state
    if state is not None and state.backend == "s3" and state.bucket is None:
        yield 'state.bucket: is required by backend "s3": name the bucket that holds Terraform\'s state'


def _network(settings: Settings) -> Iterator[str]:
    if settings.network is None:
        return
    yield from _existing(settings.network)
    try:
        ipaddress.IPv4Network(settings.network.cidr)
    except ValueError as error:
        yield f"network.cidr: must be an IPv4 network, got {settings.network.cidr!r}: {error}"


def _existing(network: NetworkSettings) -> Iterator[str]:
    if network.kind == "existing":
        if network.vpc_id is None:
            yield 'network.vpc_id: is required by kind "existing": name the VPC'
        if not network.subnet_ids:
            yield 'network.subnet_ids: is required by kind "existing": name one or more subnets of the VPC'
        return
    for key in ("vpc_id", "subnet_ids"):
        if getattr(network, key):
            yield (
                f'network.{key}: is for kind "existing" only, got {getattr(network, key)!r} with kind '
                f'"{network.kind}": remove it or set kind = "existing"'
            )


def _budget(settings: Settings) -> Iterator[str]:
    if settings.budget is None:
        return
    budget = settings.budget
    warnings = len({*budget.warn_at_percent} - {100}) + len({*budget.warn_forecast_percent})
    if warnings >= _MOST_NOTIFICATIONS:
        yield (
            f"budget.warn_at_percent: with warn_forecast_percent at most {_MOST_NOTIFICATIONS - 1} warnings, got "
            f"{warnings}: leave some out"
        )


def _storage(settings: Settings) -> Iterator[str]:
    storage = settings.storage
    if storage is None or storage.input_bucket is None:
        return
    for key in ("expire_inputs_days", "web_origins"):
        if value := getattr(storage, key):
            yield (
                f"storage.{key}: is for buckets of ours only, got {_listed(value)} with input_bucket "
                f"{storage.input_bucket!r}: set it on that bucket, and remove it here"
            )


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _compute(settings: Settings, declared: Collection[str]) -> Iterator[str]:
    if not declared:
        yield "compute: at least one pool is required: add [compute.<pool>] with kind and max_vcpus"
    for name, pool in settings.compute.items():
        if pool.min_vcpus > pool.max_vcpus:
            yield (
                f"compute.{name}.min_vcpus: must not exceed max_vcpus ({pool.max_vcpus}), got {pool.min_vcpus}: "
                "lower it"
            )


def _pipelines(settings: Settings, declared: Collection[str]) -> Iterator[str]:
    if not settings.pipeline:
        yield "pipeline: at least one pipeline is required: add [pipeline.<name>] with image, command and pools"
    for name, pipeline in settings.pipeline.items():
        where = f"pipeline.{name}"
        if name in RESERVED_FOLDERS:
            yield (
                f"{where}: must not be one of {', '.join(RESERVED_FOLDERS)}: those folders have a meaning of their "
                "own: choose another name"
            )
        yield from _pools_of(settings, where, pipeline, declared)
        yield from _memory_steps(where, pipeline)
        yield from _trigger(where, pipeline)
        yield from _limits(where, pipeline)
        yield from _after(settings, name, pipeline)


def _parameter(settings: Settings) -> Iterator[str]:
    """Check the size of the deployment's SSM parameter, which AWS limits."""
    if (got := parameter.size_bytes(settings)) > MAX_BYTES:
        yield (
            f"group, pipeline and compute: the deployment's SSM parameter, which has their names and prices, must fit "
            f"{MAX_BYTES} bytes, got {got}: shorten names, or make two environments"
        )


def _memory_steps(where: str, pipeline: PipelineSettings) -> Iterator[str]:
    sizes = (pipeline.memory_mib, *pipeline.memory_steps)
    if any(larger <= smaller for smaller, larger in itertools.pairwise(sizes)):
        yield (
            f"{where}.memory_steps: must rise from memory_mib ({pipeline.memory_mib}), got "
            f"{list(pipeline.memory_steps)}: name larger sizes, in order"
        )


def _trigger(where: str, pipeline: PipelineSettings) -> Iterator[str]:
    if pipeline.suffixes and pipeline.trigger != "file":
        yield (
            f'{where}.suffixes: must go with trigger "file", got {pipeline.trigger!r}: '
            "remove them or change the trigger"
        )
    if pipeline.marker is not None and pipeline.trigger != "folder":
        yield f'{where}.marker: must go with trigger "folder", got {pipeline.trigger!r}: remove it or set the trigger'


def _limits(where: str, pipeline: PipelineSettings) -> Iterator[str]:
    for name in ("vcpus", "memory_mib", "timeout_minutes"):
        least, limit = getattr(pipeline, name), getattr(pipeline, f"max_{name}")
        if limit is not None and limit < least:
            yield f"{where}.max_{name}: must not be below {name} ({least}), got {limit}: raise it"


def _after(settings: Settings, name: str, pipeline: PipelineSettings) -> Iterator[str]:
    where, parent = f"pipeline.{name}.after", pipeline.after
    if parent is None:
        return
    if parent not in settings.pipeline:
        hint = known_names(parent, settings.pipeline)
        yield f"{where}: must name a declared pipeline, got {parent!r}: {hint}"
    chain = [name]
    while parent is not None and parent in settings.pipeline and parent not in chain:
        chain.append(parent)
        parent = settings.pipeline[parent].after
    if parent == name:
        yield f"{where}: must not lead back to itself, got {' -> '.join([*chain, name])}: break the circle"


def _pools_of(settings: Settings, where: str, pipeline: PipelineSettings, declared: Collection[str]) -> Iterator[str]:
    if len(set(pipeline.pools)) != len(pipeline.pools):
        yield f"{where}.pools: must not repeat a pool, got {list(pipeline.pools)}: name each once"
    for pool in pipeline.pools:
        if pool not in declared:
            hint = known_names(pool, declared)
            yield f"{where}.pools: must name declared pools, got {pool!r}: {hint}"
        if pool not in settings.compute:
            continue
        limit = settings.compute[pool].max_vcpus
        if pipeline.vcpus > limit:
            yield (
                f"{where}.vcpus: must fit the pool {pool!r}, whose max_vcpus is {limit}, got {pipeline.vcpus}: "
                "lower it or raise the pool's limit"
            )
