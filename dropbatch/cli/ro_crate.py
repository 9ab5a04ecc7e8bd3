"""A run as a Workflow Run RO-Crate (profile "Process Run Crate"): how a result was made, in the words of archives.

https://www.researchobject.org/workflow-run-crate/profiles/process_run_crate
"""

# ruff: noqa: PLC0415 – rocrate is imported inside, it takes a second and is needed here only

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["PROFILE", "write_crate"]

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_TERMS = "https://w3id.org/ro/terms/workflow-run/context"


def write_crate(record: Mapping[str, Any], directory: Path, *, fetched: Mapping[str, Path] | None = None) -> Path:
    """Write ``ro-crate-metadata.json`` about a run into a directory; returns its path.

    Args:
        record: the run record.
        directory: made if it does not exist.
        fetched: local copies of outputs by URI. They are copied into the crate; other files are only referred to.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate()
    crate.metadata.extra_contexts.append(_TERMS)
    crate.name = f"Run {record['run_id']} of {record['pipeline']}"
    crate.description = f"Results of pipeline {record['pipeline']} for {record['group']}, with how they were made"
    if record.get("stopped_at"):
        crate.datePublished = record["stopped_at"]
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    crate.root_dataset["conformsTo"] = crate.add(ContextEntity(crate, PROFILE, profile))
    inputs = [_file(crate, each, None) for each in record["inputs"]]
    if record.get("config"):
        inputs.append(_file(crate, record["config"], None))
    inputs += [
        crate.add(ContextEntity(crate, f"#parameter-{name}", {"@type": "PropertyValue", "name": name, "value": value}))
        for name, value in sorted(record["parameters"].items())
    ]
    outputs = [_file(crate, each, (fetched or {}).get(each["uri"])) for each in record["outputs"]]
    action = crate.add(ContextEntity(crate, f"#{record['run_id']}", _action(record)))
    action["object"] = inputs
    action["result"] = outputs
    action["instrument"] = crate.add(ContextEntity(crate, _instrument_id(record), _instrument(record)))
    if record.get("image"):
        image = {"@type": "ContainerImage", "name": record["image"], "additionalType": {"@id": _DOCKER}}
        action["containerImage"] = crate.add(ContextEntity(crate, "#image", image))
    crate.root_dataset["mentions"] = [action]
    crate.write(directory)
    return directory / "ro-crate-metadata.json"


_DOCKER = "https://w3id.org/ro/terms/workflow-run#DockerImage"


def _file(crate: Any, file: Mapping[str, Any], copy: Path | None) -> Any:
    about = {"contentSize": str(file["size"]), "sha256": file["sha256"]}
    if file.get("version_id"):
        about["version"] = file["version_id"]
    if copy is not None:
        return crate.add_file(copy, f"results/{copy.name}", properties=about | {"alternateName": file["uri"]})
    return crate.add_file(file["uri"], properties=about | {"name": file["uri"].rpartition("/")[2]})


def _action(record: Mapping[str, Any]) -> dict[str, Any]:
    done = record["status"] == "SUCCEEDED"
    action = {
        "@type": "CreateAction",
        "name": f"Run {record['run_id']}, attempt {record['attempt']}",
        "description": " ".join(record["command"]),
        "startTime": record.get("started_at"),
        "endTime": record.get("stopped_at"),
        "actionStatus": {"@id": f"http://schema.org/{'Completed' if done else 'Failed'}ActionStatus"},
        "error": record.get("reason"),
    }
    return {name: value for name, value in action.items() if value is not None}


def _instrument_id(record: Mapping[str, Any]) -> str:
    return f"#{record.get('job_definition') or record['pipeline'] or 'program'}"


def _instrument(record: Mapping[str, Any]) -> dict[str, Any]:
    program = {
        "@type": "SoftwareApplication",
        "name": record["pipeline"] or "program",
        "version": record.get("job_definition"),
        "softwareVersion": record.get("git_commit"),
    }
    return {name: value for name, value in program.items() if value is not None}
