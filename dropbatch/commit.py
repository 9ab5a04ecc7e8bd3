"""Find the git commit that files belong to."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["commit_of"]


def commit_of(files: Sequence[Path]) -> str | None:
    """Return the checked-out commit of the files' repository, with ``-dirty`` if one of the files differs from it.

    Return None if git is not installed, or the files are in no repository.
    """
    folder = files[0].resolve().parent
    head = _git(folder, "rev-parse", "--verify", "HEAD")
    if not head:
        return None
    changed = _git(
        folder, "status", "--porcelain", "--untracked-files=all", "--", *(str(each.resolve()) for each in files)
    )
    return head if changed == "" else f"{head}-dirty"


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
