"""Submissions in the format of an older platform: rename their fields to the current ones. Pure."""

from collections.abc import Mapping
from typing import Any

from dropbatch.contract import keys
from dropbatch.contract.deployment import Deployment
from lambdas.arrival.requests.faults import Fault, shown
from lambdas.arrival.requests.parse import Fields

__all__ = ["FIELDS", "results_folder", "upgrade"]

FIELDS = ("dataname", "configname", "timestamp", "resultpath", "instance_type")
"""Fields of the older format."""

_RENAMED = {"dataname": "inputs", "configname": "config"}


def upgrade(
    body: Mapping[str, Any], deployment: Deployment, faults: list[Fault]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a submission with the current field names, and for renamed fields their names in the file.

    `resultpath` is kept (see `results_folder`), and so are current fields.
    """
    written: dict[str, str] = {}
    found = {name: value for name, value in body.items() if name not in FIELDS or name == "resultpath"}
    for old, new in _RENAMED.items():
        if old not in body:
            continue
        if new in body:
            faults.append(Fault(place=old, text=f"means the same as {new}, which is given too: keep one"))
        else:
            found[new] = body[old]
            written[new] = old
    if "timestamp" in body and "name" not in body:
        # It may be a number, a text or a TOML date. It is only a label.
        found["name"] = str(body["timestamp"])
        written["name"] = "timestamp"
    if "instance_type" in body:
        resources = _resources(body["instance_type"], deployment, faults)
        given = body.get("overrides", {})
        found["overrides"] = {**resources, **given} if isinstance(given, dict) else given
        if "overrides" not in body:
            written["overrides"] = "instance_type"
    return found, written


def _resources(name: object, deployment: Deployment, faults: list[Fault]) -> dict[str, int]:
    """The vCPUs and memory of an instance type, as overrides."""
    known = deployment.instance_types
    if not isinstance(name, str) or name not in known:
        fix = "name an EC2 instance type such as m5.xlarge, or set vcpus and memory_mib in overrides"
        faults.append(Fault(place="instance_type", text=f"is not a known instance type, got {shown(name)}: {fix}"))
        return {}
    vcpus, memory_mib, gpus = known[name]
    if gpus:
        fix = "leave instance_type out: the settings of a pipeline define its GPUs"
        faults.append(Fault(place="instance_type", text=f"must be a type without GPUs, got {shown(name)}: {fix}"))
        return {}
    return {"vcpus": vcpus, "memory_mib": memory_mib}


def results_folder(fields: Fields, *, group: str, pipeline: str) -> str:
    """Return the folder that `resultpath` names below the pipeline's results, ending in ``/``; empty for none."""
    path = fields.text("resultpath", longest=300)
    if path is None:
        return ""
    if path.startswith("s3://"):
        fields.fault(
            "resultpath",
            f"must be a folder of the output bucket, got {shown(path)}: name a folder, or leave it out",
        )
        return ""
    folder = path.strip("/").removeprefix(f"{group}/")
    for known in (f"{pipeline}/", "results/"):
        folder = folder.removeprefix(known)
    parts = folder.split("/")
    if ".." in parts or "." in parts or keys.CONTROL_PREFIX.rstrip("/") in parts:
        fields.fault("resultpath", f"must be a plain folder, got {shown(path)}: write it without . and ..")
        return ""
    return f"{folder}/" if folder and folder != group else ""
