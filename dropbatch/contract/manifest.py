"""The manifest: what a job is to do, written by the arrival function and read by the runtime.

One JSON object ``{"version": 1, "job_name": …, "runs": […]}`` per job; an array child takes the run at its index, a
plain job the only one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["VERSION", "Manifest", "ManifestError", "RunSpec"]

VERSION = 1


class ManifestError(ValueError):
    """The text is not a manifest of this version."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run as the runtime needs it."""

    run_id: str
    attempt: int
    group: str
    pipeline: str
    bucket: str
    key: str
    version_id: str
    size: int
    """Size of the input in bytes."""
    output: str
    """Key prefix of the results in the output bucket, ending in ``/``."""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The runs of one job, in the order of their array indexes."""

    job_name: str
    runs: tuple[RunSpec, ...]

    def to_json(self) -> str:
        """Text of the manifest; equal manifests give equal text."""
        body = {"version": VERSION, "job_name": self.job_name, "runs": [asdict(run) for run in self.runs]}
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
            return cls(job_name=body["job_name"], runs=tuple(RunSpec(**run) for run in body["runs"]))
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, ManifestError):
                raise
            raise ManifestError(f"not a manifest: {error}") from error
