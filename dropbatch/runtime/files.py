"""Local files of a run: the scratch directory, checksums, and the search for results."""

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

__all__ = ["Scratch", "find_results", "sha256"]


class Scratch:
    """The scratch directory of a run: ``in``, ``out``, ``elsewhere``, ``tmp`` and the log. The context removes it."""

    def __init__(self, parent: str | None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="dropbatch-", dir=parent)).resolve()
        self.input = self.root / "in"
        self.output = self.root / "out"
        self.elsewhere = self.root / "elsewhere"
        """Directory for outputs that the command names by URI."""
        self.tmp = self.root / "tmp"
        self.log = self.root / "log.txt"
        for directory in (self.input, self.output, self.elsewhere, self.tmp):
            directory.mkdir()
        self.log.touch()

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(self, *_: object) -> None:
        # Programs may create directories without write permission, which must be added before the removal.
        for directory, _names, _files in os.walk(self.root):
            if not os.access(directory, os.W_OK | os.X_OK):
                Path(directory).chmod(stat.S_IRWXU)
        shutil.rmtree(self.root, ignore_errors=True)


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_results(output: Path) -> tuple[list[Path], list[str]]:
    """Return the regular files below the output directory, sorted, and warnings about anything else.

    A link to a file counts as a file. Links to directories, pipes and sockets are not published: such links could lead
    anywhere or form cycles, and pipes and sockets have no content.
    """
    found: list[Path] = []
    warnings: list[str] = []
    for directory, names, files in os.walk(output):
        names.sort()
        for name in (*names, *files):
            path = Path(directory, name)
            if path.is_file():
                found.append(path)
            elif path.is_symlink() or not path.is_dir():
                shown = str(path.relative_to(output)).encode("utf-8", "replace").decode()
                warnings.append(f"not published: {shown} is neither a file nor a directory")
    return sorted(found), warnings
