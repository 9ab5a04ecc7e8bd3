"""The manifest: the runs of a job, written by the arrival function and read by the runtime.

A job has one JSON object ``{"version": 1, "job_name": …, "runs": […]}``. A child of an array job takes the run at its
index, a plain job the only one. Fields with their default values are left out, so that the runtime in an older image
can read the manifest as long as it uses no newer fields.

The input of a run is one of

- a file: ``key`` does not end in ``/``. The runtime reads the version ``version_id``;
- a folder: ``key`` ends in ``/``. The input is every object below it when the job starts, except ``marker`` and objects
  whose key ends in ``/``. The runtime lists the folder, and writes the versions that it read to the run record.
  ``version_id`` is the version of the marker, or empty, and ``size`` is 0;
- a pinned folder: the input is exactly ``objects``, and the runtime does not list the folder.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["VERSION", "Manifest", "ManifestError", "ObjectSpec", "RunSpec"]

VERSION = 1


class ManifestError(ValueError):
    """The text is not a manifest of this version."""


class ObjectSpec(NamedTuple):
    """One version of an object."""

    bucket: str
    key: str
    version_id: str
    """Empty for the newest version, or when the version is unknown."""
    size: int
    """Bytes."""


class RunSpec(NamedTuple):
    """One run as the runtime needs it."""

    run_id: str
    attempt: int
    group: str
    pipeline: str
    bucket: str
    key: str
    """Key of the input; of a folder when it ends in ``/``."""
    version_id: str
    size: int
    """Size of the input in bytes; 0 for a folder."""
    output: str
    """Key prefix of the results in the output bucket, ending in ``/``."""
    parameters: Mapping[str, str] = {}
    """Values of ``{param.NAME}``."""
    config: ObjectSpec | None = None
    """The file for ``{config}``."""
    marker: str = ""
    """Key of the marker object that closed the folder; it is not part of the input."""
    objects: tuple[ObjectSpec, ...] = ()
    """The objects of a pinned folder; empty if the runtime lists the folder."""
    named_inputs: tuple[ObjectSpec, ...] = ()
    """For a run that reproduces another one: the objects that `s3://` URIs in the command had brought in.

    An object without a version is read in its newest version.
    """
    named_outputs: tuple[str, ...] = ()
    """For a run that reproduces another one: the URIs of files that the command had written outside its directory."""
    pool: str = ""
    """The pool that the run was submitted to."""
    earlier: tuple[Mapping[str, Any], ...] = ()
    """Earlier attempts, oldest first, for the run record: ``attempt``, ``pool``, ``cause`` and ``reason`` of each."""

    @property
    def is_folder(self) -> bool:
        """Whether the input is a folder."""
        return self.key.endswith("/")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without fields that have their default value."""
        values = {name: value for name, value in self._asdict().items() if value != self._field_defaults.get(name)}
        if self.config is not None:
            values["config"] = self.config._asdict()
        for name in ("objects", "named_inputs"):
            if name in values:
                values[name] = [each._asdict() for each in values[name]]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunSpec":
        """Read the values that `to_dict` returned.

        Raises:
            TypeError: a field is missing or unknown.
        """
        config = values.get("config")
        read: dict[str, Any] = {
            "config": ObjectSpec(**config) if config else None,
            "objects": tuple(ObjectSpec(**each) for each in values.get("objects", ())),
            "named_inputs": tuple(ObjectSpec(**each) for each in values.get("named_inputs", ())),
            "named_outputs": tuple(values.get("named_outputs", ())),
            "earlier": tuple(values.get("earlier", ())),
        }
        return cls(**{**values, **read})


class Manifest(NamedTuple):
    """The runs of one job, by array index."""

    job_name: str
    runs: tuple[RunSpec, ...]

    def to_json(self) -> str:
        """Return the text of the manifest; equal manifests have equal texts."""
        body = {"version": VERSION, "job_name": self.job_name, "runs": [run.to_dict() for run in self.runs]}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Read a manifest.

        Raises:
            ManifestError: the text is not JSON, has another version, or lacks a field.
        """
        try:
            body: dict[str, Any] = json.loads(text)
            if body["version"] != VERSION:
                raise ManifestError(f"manifest version {body['version']!r} is not {VERSION}: retry the run")
            return cls(job_name=body["job_name"], runs=tuple(RunSpec.from_dict(run) for run in body["runs"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ManifestError):
                raise
            raise ManifestError(f"not a manifest: {error}") from error
