"""Read and check a submission: a request for runs over inputs and parameters. Pure."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dropbatch.contract import keys
from dropbatch.contract.deployment import Deployment, Pipeline
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.suggestions import known_names
from lambdas.arrival.requests import legacy
from lambdas.arrival.requests.faults import Fault, FaultsError, shown
from lambdas.arrival.requests.inputs import AllowedInputs, NamedInput
from lambdas.arrival.requests.parse import Fields

__all__ = ["Submission", "pipeline_name", "read_submission"]

_MAX_INPUTS = 10_000
_MAX_PARAMETERS = 50
_MAX_TOKEN = 2048  # characters of a Step Functions task token
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_KNOWN = ("pipeline", "inputs", "config", "parameters", "name", "overrides", "task_token")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The content of a submission, before its objects are listed."""

    group: str
    pipeline: str
    inputs: tuple[NamedInput, ...]
    config: NamedInput | None
    grid: tuple[tuple[str, tuple[str, ...]], ...]
    """Values of each parameter, in the order of the file."""
    name: str
    pool: str
    overrides: Overrides
    results: str
    """Folder below the pipeline's results, ending in ``/``; empty for none."""
    is_awaited: bool
    """Whether a state machine waits for the run to end. Such a submission must make exactly one run."""

    @property
    def combinations(self) -> int:
        """Number of runs for each input."""
        return math.prod(len(values) for _, values in self.grid)

    def parameters(self, start: int = 0) -> Iterator[dict[str, str]]:
        """Yield the combinations of parameter values, beginning with number `start`."""
        names = [name for name, _ in self.grid]
        for values in itertools.islice(itertools.product(*(values for _, values in self.grid)), start, None):
            yield dict(zip(names, values, strict=True))


def read_submission(
    body: Mapping[str, Any], *, group: str, key: str, bucket: str, deployment: Deployment
) -> Submission:
    """Read a submission of a group. `bucket` is the input bucket, `key` that of the request.

    Raises:
        FaultsError: the submission is wrong; has every fault.
    """
    faults: list[Fault] = []
    upgraded, written = legacy.upgrade(body, deployment, faults)
    fields = Fields(upgraded, faults, written=written)
    fields.only(*_KNOWN, "resultpath")
    name = pipeline_name(fields, group=group, key=key, deployment=deployment)
    if name is None:  # the rules for all other fields depend on the pipeline
        raise FaultsError(*faults)
    pipeline = deployment.pipelines[name]
    allowed = AllowedInputs(group=group, pipeline=name, bucket=bucket, deployment=deployment)
    inputs = _inputs(fields, allowed)
    config = _config(fields, allowed)
    grid = _grid(fields, deployment.max_runs_per_request)
    label = fields.text("name", longest=100) or ""
    pool, overrides = _overrides(fields, name, pipeline, deployment)
    is_awaited = fields.text("task_token", longest=_MAX_TOKEN) is not None
    results = legacy.results_folder(fields, group=group, pipeline=name)
    if faults:
        raise FaultsError(*faults)
    return Submission(
        group=group,
        pipeline=name,
        inputs=inputs,
        config=config,
        grid=grid,
        name=label,
        pool=pool,
        overrides=overrides,
        results=results,
        is_awaited=is_awaited,
    )


def pipeline_name(fields: Fields, *, group: str, key: str, deployment: Deployment) -> str | None:
    """Return a request's pipeline: its field `pipeline`, else the request's folder, else the group's only pipeline."""
    usable = [name for name, pipeline in deployment.pipelines.items() if group in pipeline.definitions]
    if "pipeline" in fields:
        name = fields.text("pipeline")
        if name is not None and name not in usable:
            fields.fault("pipeline", f"no pipeline is named {shown(name)}: {known_names(name, usable)}")
            return None
        return name
    folder = keys.InputKey.parse(key).rest.partition("/")[0]
    if folder in usable:
        return folder
    if len(usable) == 1:
        return usable[0]
    fields.fault("pipeline", f"is required, since there are several pipelines: add it; {known_names('', usable)}")
    return None


def _inputs(fields: Fields, allowed: AllowedInputs) -> tuple[NamedInput, ...]:
    if "inputs" not in fields:
        fields.fault("inputs", "is required: name keys, folders ending in /, or patterns such as lab/inputs/*.dat")
    return tuple(allowed.resolve(fields.texts("inputs", most=_MAX_INPUTS), fields.faults))


def _config(fields: Fields, allowed: AllowedInputs) -> NamedInput | None:
    text = fields.text("config")
    if text is None:
        return None
    return next(iter(allowed.resolve([(fields.place("config"), text)], fields.faults, single=True)), None)


def _grid(fields: Fields, limit: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    table = fields.table("parameters")
    below = Fields(table, fields.faults, "parameters")
    if len(table) > _MAX_PARAMETERS:
        fields.fault("parameters", f"must be at most {_MAX_PARAMETERS}, got {len(table)}: use a config file")
        return ()
    grid = []
    for name, value in table.items():
        if not _PARAMETER.fullmatch(name):
            below.fault(
                shown(name).strip("'"), "must be named by letters, digits and _ . - only, at most 64: rename it"
            )
            continue
        listed = value if isinstance(value, list) else [value]
        if not listed:
            below.fault(name, "must not be an empty list: give a value, or leave it out")
        values = [_value(below, f"{name}[{at}]" if listed is value else name, each) for at, each in enumerate(listed)]
        # Repeated values count once.
        grid.append((name, tuple(dict.fromkeys(each for each in values if each is not None))))
    runs = math.prod(len(values) for _, values in grid)
    if runs > limit:
        fields.fault(
            "parameters", f"make {runs} runs for each input, at most {limit} are allowed in one request: split them"
        )
    return tuple(grid)


def _value(fields: Fields, place: str, value: object) -> str | None:
    """The parameter's value as the text that the program receives."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            if abs(value) < 10**100:
                return str(value)
        case float():
            if math.isfinite(value):
                return repr(value)
        case str():
            if len(value) <= 1000 and "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value):
                return value
    fields.fault(place, f"must be a text of at most 1000 characters or a number, got {shown(value)}: change it")
    return None


def _overrides(fields: Fields, name: str, pipeline: Pipeline, deployment: Deployment) -> tuple[str, Overrides]:
    """The pool and the resources of the runs. Default: the pipeline's first pool."""
    table = fields.within("overrides")
    table.only("vcpus", "memory_mib", "timeout_minutes", "pool")
    limit = f"the maximum of pipeline {name!r}"
    vcpus = table.integer("vcpus", least=1, most=pipeline.max_vcpus, limit=limit)
    memory_mib = table.integer("memory_mib", least=64, most=pipeline.max_memory_mib, limit=limit)
    timeout_minutes = table.integer("timeout_minutes", least=1, most=pipeline.max_timeout_minutes, limit=limit)
    pool = table.text("pool")
    if pool is not None and pool not in pipeline.pools:
        table.fault(
            "pool", f"must be a pool of pipeline {name!r}, got {shown(pool)}: {known_names(pool, pipeline.pools)}"
        )
        pool = None
    _check_fit(table, pool or pipeline.pools[0], vcpus, memory_mib, deployment)
    return pool or pipeline.pools[0], Overrides(vcpus=vcpus, memory_mib=memory_mib, timeout_minutes=timeout_minutes)


def _check_fit(table: Fields, pool: str, vcpus: int | None, memory_mib: int | None, deployment: Deployment) -> None:
    machines = deployment.pools[pool].machines
    if machines and not any(cores >= (vcpus or 1) and mib >= (memory_mib or 0) for cores, mib in machines):
        cores, mib = max(machines, key=lambda each: (each[1], each[0]))
        table.fault(
            "memory_mib" if memory_mib else "vcpus",
            f"fits no machine of pool {pool!r}: the largest has {cores} vCPUs and {mib} MiB for jobs: ask for less",
        )
