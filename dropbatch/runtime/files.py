"""Files of one run on the local disk: the scratch tree, checksums, the search for results."""

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

__all__ = ["Scratch", "find_results", "sha256"]


class Scratch:
    """A directory of this run: ``in``, ``out``, ``tmp`` and the log. Removed on leaving the context."""

    def __init__(self, parent: str | None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="dropbatch-", dir=parent)).resolve()
        self.input = self.root / "in"
        self.output = self.root / "out"
        self.elsewhere = self.root / "elsewhere"
        """For outputs that go to URIs of the command."""
        self.tmp = self.root / "tmp"
        self.log = self.root / "log.txt"
        for directory in (self.input, self.output, self.elsewhere, self.tmp):
            directory.mkdir()
        self.log.touch()

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(self, *_: object) -> None:
        # Programs make directories that even their owner may not write; those are opened up first.
        for directory, _names, _files in os.walk(self.root):
            if not os.access(directory, os.W_OK | os.X_OK):
                Path(directory).chmod(stat.S_IRWXU)
        shutil.rmtree(self.root, ignore_errors=True)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_results(output: Path) -> tuple[list[Path], list[str]]:
    """Regular files below the output directory, sorted, and warnings about what is not published.

    A link to a file counts as that file. Links to directories, pipes and sockets are not published: the first could
    lead anywhere or in circles, the others have no content.
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
