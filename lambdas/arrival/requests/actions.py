"""Read the content of `retry`, `rerun`, `reproduce` and `cancel` requests, and of `backfill` requests. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropbatch.contract import keys
from dropbatch.contract.deployment import Deployment
from lambdas.arrival.requests.faults import Fault, FaultsError, shown
from lambdas.arrival.requests.parse import Fields
from lambdas.arrival.requests.submission import pipeline_name

__all__ = ["NamedRun", "read_prefix", "read_runs"]

_RUN_ID = re.compile(r"r-[0-9a-f]{20}")


@dataclass(frozen=True, kw_only=True)
class NamedRun:
    """A run that a request names."""

    place: str
    """Position in the request, for faults."""
    run_id: str


def read_runs(body: Mapping[str, Any], *, limit: int) -> list[NamedRun]:
    """Return the distinct runs that a request names.

    Raises:
        FaultsError: the request is wrong; has every fault.
    """
    faults: list[Fault] = []
    fields = Fields(body, faults)
    fields.only("runs")
    if "runs" not in fields:
        fields.fault("runs", "is required: list the ids of the runs, for example r-0123456789abcdef0123")
    found: dict[str, NamedRun] = {}
    texts = fields.texts("runs", most=1_000_000)
    if len(texts) > limit:
        fields.fault("runs", f"are {len(texts)}, at most {limit} are allowed in one request: split the request")
        raise FaultsError(*faults)
    for place, text in texts:
        if _RUN_ID.fullmatch(text):
            found.setdefault(text, NamedRun(place=place, run_id=text))
        else:
            faults.append(
                Fault(place=place, text=f"is not a run id, got {shown(text)}: write r- and 20 digits of 0-9a-f")
            )
    if faults:
        raise FaultsError(*faults)
    return list(found.values())


def read_prefix(body: Mapping[str, Any], *, group: str, key: str, deployment: Deployment) -> str:
    """Return the prefix of a backfill. Default: the folder of its pipeline.

    Raises:
        FaultsError: the request is wrong; has every fault.
    """
    faults: list[Fault] = []
    fields = Fields(body, faults)
    fields.only("pipeline", "prefix")
    prefix = fields.text("prefix")
    folder = keys.InputKey.parse(prefix).folder if prefix else ""
    name = (
        pipeline_name(fields, group=group, key=key, deployment=deployment)
        if not folder or "pipeline" in fields
        else folder
    )
    if name is not None and name not in deployment.pipelines:
        fields.fault("prefix", f"must be in a pipeline's folder, got {shown(prefix)}: begin with {group}/<pipeline>/")
    elif name is not None and group not in deployment.pipelines[name].definitions:
        fields.fault("prefix", f"pipeline {name!r} is not set up for group {group!r}: ask an operator to add it")
    elif name is not None:
        own = f"{group}/{name}/"
        if deployment.pipelines[name].trigger == "submit":
            fields.fault(
                "pipeline", f"{name!r} takes requests only, its files start no runs: name them in a submit.json"
            )
        if prefix is not None and not prefix.startswith(own):
            fields.fault(
                "prefix", f"must begin with {own}, got {shown(prefix)}: only that folder's files start its runs"
            )
        prefix = prefix or own
    if faults:
        raise FaultsError(*faults)
    return prefix or ""
