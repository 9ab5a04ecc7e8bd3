"""The store of a run whose data are only the `s3://` URIs in its command: no input, fence, log or record."""

from collections.abc import Sequence
from pathlib import Path

from dropbatch.contract.record import FileRecord, RunRecord
from dropbatch.runtime.store import Staged

__all__ = ["CommandStore"]


class CommandStore:
    """A store without input and output directory. Log and messages go to the terminal only."""

    who = "you"
    input_uri = ""
    output_uri = ""
    has_config = False

    def claim(self) -> None:
        """Do nothing: there is only one try."""

    def discard(self) -> None:
        """Do nothing: there is no output directory."""

    def expected_inputs(self) -> list[FileRecord]:
        """Return no inputs: only the command names some."""
        return []

    def noted_outputs(self) -> Sequence[str]:
        """Return no URIs: there is only one try."""
        return ()

    def note_outputs(self, uris: Sequence[str]) -> None:
        """Do nothing: there is only one try."""

    def stage_in(self, directory: Path) -> Staged:
        """Return no input."""
        return Staged(records=[])

    def publish(self, results: Sequence[Path], root: Path) -> list[FileRecord]:
        """Return no outputs: the program has no ``{output}`` directory."""
        return []

    def withdraw(self, outputs: Sequence[FileRecord]) -> None:
        """Do nothing: the command named these objects as outputs, so they stay."""

    def write_log(self, log: Path) -> None:
        """Do nothing: the log was printed to the terminal."""

    def write_record(self, record: RunRecord) -> None:
        """Do nothing: such runs have no record."""
