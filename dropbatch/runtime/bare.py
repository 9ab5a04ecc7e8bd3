"""A run that is nothing but its command: what it works on are the `s3://` URIs in it. No fence, no record."""

from collections.abc import Sequence
from pathlib import Path

from dropbatch.contract.record import FileRecord, RunRecord
from dropbatch.runtime.store import Staged

__all__ = ["BareStore"]


class BareStore:
    """No input, no output directory: log and messages go to the terminal only."""

    who = "you"
    input_uri = ""
    output_uri = ""
    has_config = False

    def claim(self) -> None:
        """Nobody else is here."""

    def discard(self) -> None:
        """Nothing was written."""

    def expected_inputs(self) -> list[FileRecord]:
        """None but those of the command."""
        return []

    def noted_outputs(self) -> Sequence[str]:
        """None: there is one try only."""
        return ()

    def note_outputs(self, uris: Sequence[str]) -> None:
        """Nobody would read it."""

    def stage_in(self, directory: Path) -> Staged:
        """Nothing."""
        return Staged(records=[])

    def publish(self, results: Sequence[Path], root: Path) -> list[FileRecord]:
        """There is no ``{output}`` that a program could have written to."""
        return []

    def withdraw(self, outputs: Sequence[FileRecord]) -> None:
        """Leave them: what a command says is overwritten is overwritten."""

    def write_log(self, log: Path) -> None:
        """It was on the terminal."""

    def write_record(self, record: RunRecord) -> None:
        """Nobody asked for one."""
