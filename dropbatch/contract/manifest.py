"""The manifest: what a job is to do, written by the arrival function and read by the runtime.

One JSON object ``{"version": 1, "job_name": …, "runs": […]}`` per job; an array child takes the run at its index, a
plain job the only one. Fields that say nothing beyond their default are left out, so that a runtime of an earlier image
reads what it can do.

The input of a run is one of

- a file: ``key`` does not end in ``/``; exactly ``version_id`` of it is read;
- a folder: ``key`` ends in ``/``; every object below it, as it is when the job starts, except ``marker`` and objects
  whose own key ends in ``/``. The runtime lists it, and pins what it read in the run record. ``version_id`` is then the
  version of the marker that closed the folder, or empty, and ``size`` is 0;
- a folder whose objects are pinned: as above, but ``objects`` names exactly what it consists of, and nothing is listed.
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
    """Empty when the version does not matter or is not known."""
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
    """Size of the input in bytes; 0 for a folder, whose size only the listing tells."""
    output: str
    """Key prefix of the results in the output bucket, ending in ``/``."""
    parameters: Mapping[str, str] = {}
    """Values of ``{param.NAME}``."""
    config: ObjectSpec | None = None
    """The file behind ``{config}``."""
    marker: str = ""
    """Key of the object that closed the folder; it is no part of the input."""
    objects: tuple[ObjectSpec, ...] = ()
    """Exactly what a folder consists of; empty: what the listing gives."""
    named_inputs: tuple[ObjectSpec, ...] = ()
    """What `s3://` URIs of the command bring in, where that is settled: by the run that this one makes again.

    Without a version, what is there is read.
    """
    named_outputs: tuple[str, ...] = ()
    """Where the command's results outside the run's directory go, settled in the same way: URIs of files."""
    pool: str = ""
    """The pool it was submitted to."""
    earlier: tuple[Mapping[str, Any], ...] = ()
    """Earlier attempts: ``attempt``, ``pool``, ``cause`` and ``reason`` of each, oldest first. For the record."""

    @property
    def is_folder(self) -> bool:
        """Whether the input is a folder."""
        return self.key.endswith("/")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without fields that are at their default."""
        said = {name: value for name, value in self._asdict().items() if value != self._field_defaults.get(name)}
        if self.config is not None:
            said["config"] = self.config._asdict()
        for name in ("objects", "named_inputs"):
            if name in said:
                said[name] = [each._asdict() for each in said[name]]
        return said

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunSpec":
        """Read what `to_dict` gave.

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
    """The runs of one job, in the order of their array indexes."""

    job_name: str
    runs: tuple[RunSpec, ...]

    def to_json(self) -> str:
        """Text of the manifest; equal manifests give equal text."""
        body = {"version": VERSION, "job_name": self.job_name, "runs": [run.to_dict() for run in self.runs]}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Read a manifest.

        Raises:
            ManifestError: not JSON, another version, or a field missing.
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
