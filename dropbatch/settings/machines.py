"""Rules for machines: instance types of pools exist, and jobs of pipelines fit on them."""

from collections.abc import Iterator

from dropbatch.settings import instances
from dropbatch.settings.instances import Instance
from dropbatch.settings.models import PipelineSettings, PoolSettings, Settings

__all__ = ["pipelines", "pools"]


def pools(settings: Settings) -> Iterator[str]:
    """Yield faults of pools, in the form of `rules.check`."""
    for name, pool in settings.compute.items():
        where = f"compute.{name}.instance_types"
        found, unknown = instances.expand(pool.types)
        for each in unknown:
            near = instances.near(each)
            hint = f"did you mean {near!r}? " if near else ""
            yield (
                f"{where}: must be instance families or types that are known, got {each!r}: {hint}what is newer than "
                "the table goes into dropbatch/settings/instances.txt"
            )
        other = sorted({each.name.partition(".")[0] for each in found if each.architecture != pool.architecture})
        if other:
            yield (
                f"{where}: must be {pool.architecture} machines, got {', '.join(other)}: choose others, or set the "
                "pool's architecture"
            )
        if len({each.gpus > 0 for each in found}) > 1:
            without = sorted({each.name.partition(".")[0] for each in found if not each.gpus})
            yield (
                f"{where}: must all have GPUs or none, got {', '.join(without)} beside machines with GPUs: make two "
                "pools of them"
            )


def pipelines(settings: Settings) -> Iterator[str]:
    """Yield faults of pipelines, in the form of `rules.check`."""
    for name, pipeline in settings.pipeline.items():
        where = f"pipeline.{name}"
        used = {pool: settings.compute[pool] for pool in pipeline.pools if pool in settings.compute}
        yield from _architecture(where, pipeline, used)
        for pool, machines in used.items():
            found, unknown = instances.expand(machines.types)
            if found and not unknown:
                yield from _fit(where, pipeline, pool, found)
        yield from _steps(where, pipeline, used)


def _architecture(where: str, pipeline: PipelineSettings, used: dict[str, PoolSettings]) -> Iterator[str]:
    by_pool = {pool: machines.architecture for pool, machines in used.items()}
    if pipeline.architecture is not None:
        for pool, architecture in by_pool.items():
            if architecture != pipeline.architecture:
                yield (
                    f"{where}.architecture: must be that of the pool {pool!r}, {architecture}, got "
                    f"{pipeline.architecture!r}: choose another pool, or make the image for {architecture}"
                )
    elif len(set(by_pool.values())) > 1:
        got = ", ".join(f"{pool} ({architecture})" for pool, architecture in by_pool.items())
        yield f"{where}.pools: must be of one architecture, for which the image is built, got {got}: choose among them"


def _fit(where: str, pipeline: PipelineSettings, pool: str, found: list[Instance]) -> Iterator[str]:
    widest = max(found, key=lambda each: each.vcpus)
    roomiest = max(found, key=lambda each: each.memory_mib)
    most_gpus = max(each.gpus for each in found)
    single = []
    if pipeline.gpus > most_gpus:
        has = f"at most {most_gpus}" if most_gpus else "none"
        single.append(
            f"{where}.gpus: must fit a machine of the pool {pool!r}, which has {has}, got {pipeline.gpus}: choose "
            "instance types with GPUs, such as g5, or ask for fewer"
        )
    if pipeline.vcpus > widest.vcpus:
        single.append(
            f"{where}.vcpus: must fit a machine of the pool {pool!r}, at most {widest.vcpus} ({widest.name}), got "
            f"{pipeline.vcpus}: lower it or add larger instance types"
        )
    if pipeline.memory_mib > roomiest.usable_mib:
        single.append(
            f"{where}.memory_mib: must be at most 92 % of a machine's memory, in the pool {pool!r} "
            f"{roomiest.usable_mib} ({roomiest.name}), got {pipeline.memory_mib}: lower it or add instance types with "
            "more memory"
        )
    yield from single
    if not single and not any(_fits(pipeline, each) for each in found):
        gpus = f", {pipeline.gpus} GPUs" if pipeline.gpus else ""
        yield (
            f"{where}: vcpus, memory_mib and gpus must fit one machine of the pool {pool!r} together, got "
            f"{pipeline.vcpus} vCPUs, {pipeline.memory_mib} MiB{gpus}: lower one, or add instance types that have all"
        )


def _fits(pipeline: PipelineSettings, machine: Instance) -> bool:
    return (
        pipeline.vcpus <= machine.vcpus and pipeline.memory_mib <= machine.usable_mib and pipeline.gpus <= machine.gpus
    )


def _steps(where: str, pipeline: PipelineSettings, used: dict[str, PoolSettings]) -> Iterator[str]:
    """Larger attempts may use any of the pools: the largest must fit one of them."""
    found = [each for machines in used.values() for each in instances.expand(machines.types)[0]]
    if not pipeline.memory_steps or not found:
        return
    roomiest = max(found, key=lambda each: each.memory_mib)
    if max(pipeline.memory_steps) > roomiest.usable_mib:
        yield (
            f"{where}.memory_steps: must be at most 92 % of a machine's memory, in its pools {roomiest.usable_mib} "
            f"({roomiest.name}), got {max(pipeline.memory_steps)}: leave that step out, or add instance types with "
            "more memory"
        )
