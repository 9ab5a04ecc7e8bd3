"""The store of a run on a laptop: files and directories, without AWS."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dropbatch.contract import keys
from dropbatch.contract.record import FileRecord, RunRecord
from dropbatch.runtime import names
from dropbatch.runtime.errors import StageInError, StageOutError, UsageError
from dropbatch.runtime.files import find_results, sha256
from dropbatch.runtime.store import Staged

__all__ = ["LocalStore"]


class LocalStore:
    """A run whose input is a file or a directory, and whose results go into a directory."""

    who = "you"

    def __init__(self, source: Path, target: Path, config: Path | None = None) -> None:
        for option, path in (("--input", source), ("--config", config)):
            if path is not None and not path.exists():
                raise UsageError(f"{option} {path} does not exist")
        if target.exists() and not target.is_dir():
            raise UsageError(f"--output {target} is a file: name a directory")
        self._source = Path(os.path.abspath(source))  # links stay: programs choose a reader by the name they are given
        self._target = target.resolve()
        self._config = Path(os.path.abspath(config)) if config else None
        self.has_config = config is not None
        self.input_uri = self._source.as_uri()
        self.output_uri = self._target.as_uri()

    def claim(self) -> None:
        """Create the target directory. There is no fence, since there is only one try."""
        try:
            self._target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--output {self._target} cannot be made: {error.strerror}") from error

    def discard(self) -> None:
        """Remove an earlier ``_run.json``. All other files belong to the user."""
        (self._target / keys.record_key("")).unlink(missing_ok=True)

    def expected_inputs(self) -> list[FileRecord]:
        """Return the input file, or every file of the input directory."""
        return [FileRecord(uri=path.as_uri(), size=path.stat().st_size, sha256="") for path in self._files()]

    def noted_outputs(self) -> Sequence[str]:
        """Return no URIs: there is only one try."""
        return ()

    def note_outputs(self, uris: Sequence[str]) -> None:
        """Do nothing: there is only one try."""

    def stage_in(self, directory: Path) -> Staged:
        """Compute the checksums of input and config; they are not copied."""
        files = [*self._files(), *([self._config] if self._config else [])]
        try:
            inputs = [FileRecord(uri=path.as_uri(), size=path.stat().st_size, sha256=sha256(path)) for path in files]
        except OSError as error:
            raise StageInError(f"{error.filename}: {error.strerror}") from error
        return Staged(
            input=self._source,
            config=self._config,
            records=inputs[: len(inputs) - bool(self._config)],
            config_record=inputs[-1] if self._config else None,
        )

    def publish(self, results: Sequence[Path], root: Path) -> list[FileRecord]:
        """Copy the results into the target directory."""
        outputs = []
        for path in results:
            target = self._target / names.output_key("", path.relative_to(root))
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            except OSError as error:
                raise StageOutError(f"{error.filename}: {error.strerror}") from error
            outputs.append(FileRecord(uri=target.as_uri(), size=target.stat().st_size, sha256=sha256(target)))
        return outputs

    def withdraw(self, outputs: Sequence[FileRecord]) -> None:
        """Do nothing: the copied files belong to the user."""

    def write_log(self, log: Path) -> None:
        """Write ``_log.txt``."""
        self._put(keys.log_key(""), log.read_bytes())

    def write_record(self, record: RunRecord) -> None:
        """Write ``_run.json``."""
        self._put(keys.record_key(""), json.dumps(record.to_dict(), ensure_ascii=False, indent=2).encode() + b"\n")

    def _files(self) -> list[Path]:
        return [self._source] if self._source.is_file() else find_results(self._source)[0]

    def _put(self, name: str, body: bytes) -> None:
        path = self._target / name
        try:
            path.write_bytes(body)
        except OSError as error:
            raise StageOutError(f"{path}: {error.strerror}") from error
