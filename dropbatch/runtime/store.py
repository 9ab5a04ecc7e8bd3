"""What a run needs from the place that its data lives in: a bucket, or a directory on a laptop."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dropbatch.contract.record import FileRecord, RunRecord

__all__ = ["Staged", "Store"]


@dataclass(frozen=True, kw_only=True)
class Staged:
    """What stage-in brought: local paths, what was read, warnings."""

    records: Sequence[FileRecord]
    input: Path | None = None
    config: Path | None = None
    config_record: FileRecord | None = None
    warnings: Sequence[str] = ()


class Store(Protocol):
    """The doors through which a run's data moves."""

    who: str
    """Whose rights count, in words."""
    input_uri: str
    output_uri: str
    has_config: bool

    def claim(self) -> None:
        """Take the fence of this attempt; raises `SupersededError` when another job holds it."""

    def discard(self) -> None:
        """Remove what an earlier try left, its record first, so that nobody takes its results for this one's."""

    def expected_inputs(self) -> list[FileRecord]:
        """The inputs as far as they are known before they are read: no checksums."""

    def noted_outputs(self) -> Sequence[str]:
        """URIs of the command that an earlier try of the run began to write to. Raises `StageInError`."""

    def note_outputs(self, uris: Sequence[str]) -> None:
        """Keep for later tries that these are outputs: once they exist they would pass for inputs.

        Raises `StageOutError`.
        """

    def stage_in(self, directory: Path) -> Staged:
        """Bring input and config into a directory. Raises `StageInError`."""

    def publish(self, results: Sequence[Path], root: Path) -> list[FileRecord]:
        """Publish the files below ``root``; all of them or, as far as possible, none. Raises `StageOutError`."""

    def withdraw(self, outputs: Sequence[FileRecord]) -> None:
        """Take published results back."""

    def write_log(self, log: Path) -> None:
        """Publish the program's log. Raises `StageOutError`."""

    def write_record(self, record: RunRecord) -> None:
        """Publish the record; the last thing of all. Raises `StageOutError`."""
