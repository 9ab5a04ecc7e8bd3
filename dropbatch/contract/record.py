"""The run record ``_run.json``: how a result was made.

A run writes it last, whether it succeeded or failed, so it marks the end of the run: all results are there. Its format
is defined by `docs/run-record.schema.json`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["VERSION", "FileRecord", "RunRecord"]

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """An input or output file."""

    uri: str
    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal; empty when the file was not read."""
    version_id: str = ""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything needed to check a result or to reproduce it. Times are ISO-8601 in UTC; unknown values are None."""

    status: str
    """``SUCCEEDED``, ``FAILED`` or ``CANCELLED``."""
    run_id: str
    attempt: int
    group: str
    pipeline: str
    inputs: Sequence[FileRecord]
    """Every object that was read, with its version."""
    input: str = ""
    """URI of the input file, or of the folder (ending in ``/``)."""
    config: FileRecord | None = None
    """The file for ``{config}``."""
    outputs: Sequence[FileRecord] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    """The program and its arguments, with placeholders filled in."""
    phase: str | None = None
    """The phase in which the run failed: ``refused``, ``stage-in``, ``program``, ``stage-out`` or ``lost``.

    ``lost`` means that the container wrote no record; the run events function wrote this one. None if the run did not
    fail, or was canceled before it started.
    """
    reason: str | None = None
    exit_code: int | None = None
    started_at: str | None = None
    stopped_at: str | None = None
    job_id: str | None = None
    job_try: int | None = None
    image: str | None = None
    job_definition: str | None = None
    git_commit: str | None = None
    pool: str | None = None
    """The pool that the run was submitted to; None before the first submission."""
    earlier: Sequence[Mapping[str, Any]] = ()
    """Earlier attempts: ``attempt``, ``pool``, ``cause`` and ``reason`` of each, oldest first."""
    peak_memory_mib: float | None = None
    cpu_seconds: float | None = None
    warnings: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, with the version of the format."""
        return {"version": VERSION, **asdict(self)}
