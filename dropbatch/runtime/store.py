"""What a run needs from the place that its data lives in: a bucket, or a directory on a laptop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from dropbatch.contract.record import FileRecord, RunRecord

__all__ = ["Result", "Store"]


class Result(Protocol):
    """A file that the program made: where it is, and its path below the output directory."""

    path: Path
    name: Path


class Store(Protocol):
    """The doors through which a run's data moves."""

    input_uri: str
    output_uri: str

    def claim(self) -> None:
        """Take the fence of this attempt; raises `SupersededError` when another job holds it."""

    def discard_record(self) -> None:
        """Remove the record of an earlier try, so that nobody takes its results for this one's."""

    def expected_inputs(self) -> list[FileRecord]:
        """The inputs as far as they are known before they are read: no checksums."""

    def stage_in(self, directory: Path) -> tuple[Path, list[FileRecord], list[str]]:
        """Bring the input into a directory: its local path, what was read, warnings. Raises `StageInError`."""

    def publish(self, results: Sequence[Path], root: Path) -> list[FileRecord]:
        """Publish the files below ``root``; all of them or, as far as possible, none. Raises `StageOutError`."""

    def withdraw(self, outputs: Sequence[FileRecord]) -> None:
        """Take published results back."""

    def write_log(self, log: Path) -> None:
        """Publish the program's log. Raises `StageOutError`."""

    def write_record(self, record: RunRecord) -> None:
        """Publish the record; the last thing of all. Raises `StageOutError`."""
