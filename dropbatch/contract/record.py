"""The run record ``_run.json``: how a result was made, and the mark that a run has ended.

It is the last object a run writes, on every exit. A person or a program that sees it sees the whole result. Its
shape is `docs/run-record.schema.json`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["VERSION", "FileRecord", "RunRecord"]

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """A file that went in or came out."""

    uri: str
    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal; empty when the file was never read."""
    version_id: str = ""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything needed to trust a result or to make it again. Times are ISO-8601 in UTC; unknown values are None."""

    status: str
    """``SUCCEEDED``, ``FAILED`` or ``CANCELLED``."""
    run_id: str
    attempt: int
    group: str
    pipeline: str
    inputs: Sequence[FileRecord]
    """Every object that was read, in exactly the version that was read."""
    input: str = ""
    """URI of the input as a whole: of a folder it ends in ``/``."""
    config: FileRecord | None = None
    """The file behind ``{config}``."""
    outputs: Sequence[FileRecord] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    """The program's argument list as it was run, placeholders filled in."""
    phase: str | None = None
    """Where a failed run failed: ``refused``, ``stage-in``, ``program``, ``stage-out``, or ``lost``.

    The last is written by the run events function, when the container did not live to say. None if it did not fail, or
    was cancelled before it started.
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
    """The pool it was submitted to; nothing is known of it before the first submission."""
    earlier: Sequence[Mapping[str, Any]] = ()
    """Earlier attempts: ``attempt``, ``pool``, ``cause`` and ``reason`` of each, oldest first."""
    peak_memory_mib: float | None = None
    cpu_seconds: float | None = None
    warnings: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """The record as plain JSON values, with its format version."""
        return {"version": VERSION, **asdict(self)}
