"""Write a run as a Workflow Run RO-Crate (profile "Process Run Crate"), which describes how a result was made.

https://www.researchobject.org/workflow-run-crate/profiles/process_run_crate
"""

# ruff: noqa: PLC0415 – rocrate is imported in functions: importing it takes a second, and it may not be installed

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dropbatch.cli.errors import CliError

__all__ = ["METADATA", "PROFILE", "available", "write_crate"]

METADATA = "ro-crate-metadata.json"
"""Name of the metadata file at the root of every crate."""

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_VERSION = "1.1"  # of RO-Crate, on which this version of the profile is based
_TERMS = "https://w3id.org/ro/terms/workflow-run/context"


def available() -> None:
    """Check that the library rocrate is installed, before any work is done.

    Raises:
        CliError: it is missing; the message says how to install it.
    """
    if importlib.util.find_spec("rocrate") is None:
        raise CliError(
            "RO-Crates are written by the library rocrate, which is not installed: add it with "
            "`pipx inject dropbatch rocrate`, or `pip install 'dropbatch[crate]'`"
        )


def write_crate(
    record: Mapping[str, Any],
    directory: Path,
    *,
    fetched: Mapping[str, Path] | None = None,
    also: Mapping[str, str] | None = None,
) -> Path:
    """Write ``ro-crate-metadata.json`` about a run into a directory; return its path.

    Args:
        record: the run record.
        directory: created if it does not exist.
        fetched: downloaded files in the directory, by URI of the output; other outputs are only referred to.
        also: further files in the directory: name and description.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version=_VERSION)
    crate.metadata.extra_contexts.append(_TERMS)
    crate.name = f"Run {record['run_id']} of {record['pipeline']}"
    crate.description = f"Results of pipeline {record['pipeline']} for {record['group']}, with how they were made"
    if record.get("stopped_at"):
        crate.datePublished = record["stopped_at"]
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    crate.root_dataset["conformsTo"] = crate.add(ContextEntity(crate, PROFILE, profile))
    inputs = [_file(crate, each) for each in record["inputs"]]
    if record.get("config"):
        inputs.append(_file(crate, record["config"]))
    inputs += [
        crate.add(ContextEntity(crate, f"#parameter-{name}", {"@type": "PropertyValue", "name": name, "value": value}))
        for name, value in sorted(record["parameters"].items())
    ]
    copies = {uri: path.relative_to(directory) for uri, path in (fetched or {}).items()}
    outputs = [_file(crate, each, copies.get(each["uri"]), directory) for each in record["outputs"]]
    for name, what in (also or {}).items():
        crate.add_file(directory / name, name, properties={"name": what})
    action = crate.add(ContextEntity(crate, f"#{record['run_id']}", _action(record)))
    action["object"] = inputs
    action["result"] = outputs
    action["instrument"] = crate.add(ContextEntity(crate, _instrument_id(record), _instrument(record)))
    if record.get("image"):
        action["containerImage"] = crate.add(ContextEntity(crate, f"#{record['image']}", _image(record["image"])))
    crate.root_dataset["mentions"] = [action]
    crate.write(directory)
    return directory / METADATA


_DOCKER = "https://w3id.org/ro/terms/workflow-run#DockerImage"


def _file(crate: Any, file: Mapping[str, Any], copy: Path | None = None, directory: Path = Path()) -> Any:
    about = {"contentSize": str(file["size"]), "sha256": file["sha256"]}
    if file.get("version_id"):
        about["version"] = file["version_id"]
    if copy is not None:
        about |= {"name": copy.name, "alternateName": file["uri"]}
        return crate.add_file(directory / copy, copy.as_posix(), properties=about)
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


def _image(uri: str) -> dict[str, Any]:
    """Return an image's registry, name, tag and digest, as the profile requires."""
    host, slash, path = uri.partition("/")
    if not slash or not ("." in host or ":" in host):
        host, path = "docker.io", uri
    name, at, digest = path.partition("@sha256:")
    name, _, tag = name.partition(":")
    found = {"registry": host, "name": name, "tag": tag, "sha256": digest if at else ""}
    return {
        "@type": "ContainerImage",
        "additionalType": {"@id": _DOCKER},
        **{key: value for key, value in found.items() if value},
    }


def _instrument_id(record: Mapping[str, Any]) -> str:
    return f"#{record.get('job_definition') or record['pipeline'] or 'program'}"


def _instrument(record: Mapping[str, Any]) -> dict[str, Any]:
    program = {
        "@type": "SoftwareApplication",
        "name": record["pipeline"] or "program",
        # The profile allows only one version.
        "softwareVersion": record.get("git_commit") or record.get("job_definition"),
        "identifier": record.get("job_definition"),
    }
    return {name: value for name, value in program.items() if value is not None}
