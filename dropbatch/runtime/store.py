"""Storage interface of a run, implemented for S3, for a local directory, and for commands with URIs only."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dropbatch.contract.record import FileRecord, RunRecord

__all__ = ["Staged", "Store"]


@dataclass(frozen=True, kw_only=True)
class Staged:
    """Result of stage-in: local paths, records of the files that were read, and warnings."""

    records: Sequence[FileRecord]
    input: Path | None = None
    config: Path | None = None
    config_record: FileRecord | None = None
    warnings: Sequence[str] = ()


class Store(Protocol):
    """Storage interface of a run."""

    who: str
    """The user or role whose permissions apply, for error messages."""
    input_uri: str
    output_uri: str
    has_config: bool

    def claim(self) -> None:
        """Take the fence of this attempt. Raises `SupersededError` when another job has it."""

    def discard(self) -> None:
        """Remove the objects of an earlier try, its record first, so that its results are not mistaken for new ones."""

    def expected_inputs(self) -> list[FileRecord]:
        """Return the inputs as known before they are read, without checksums."""

    def noted_outputs(self) -> Sequence[str]:
        """Return the output URIs that an earlier try of the run stored. Raises `StageInError`."""

    def note_outputs(self, uris: Sequence[str]) -> None:
        """Store output URIs for later tries, which would take existing objects for inputs. Raises `StageOutError`."""

    def stage_in(self, directory: Path) -> Staged:
        """Download input and config into a directory. Raises `StageInError`."""

    def publish(self, results: Sequence[Path], root: Path) -> list[FileRecord]:
        """Upload the files below ``root``. After an error, remove them as far as possible. Raises `StageOutError`."""

    def withdraw(self, outputs: Sequence[FileRecord]) -> None:
        """Remove uploaded results."""

    def write_log(self, log: Path) -> None:
        """Upload the program's log. Raises `StageOutError`."""

    def write_record(self, record: RunRecord) -> None:
        """Upload the record, after everything else. Raises `StageOutError`."""
