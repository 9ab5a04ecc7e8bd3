"""The tutorials, from their first line to their last, one after the other in one checkout as a newcomer would."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropbatch import preflight
from dropbatch.sandbox import Sandbox
from tests.docs.pages import ROOT, Page
from tests.docs.session import walk
from tests.project import copy_project

pytestmark = pytest.mark.e2e

_TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("[0-9]*.md"))
_COPIED = ("Makefile", "cdktf.json", "package.json")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout of its own whose packages are those of this one."""
    root = copy_project(
        tmp_path_factory.mktemp("checkout"), *_COPIED, *(path.name for path in ROOT.glob("requirements*"))
    )
    (root / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != preflight.STAMP:
            (root / ".venv" / entry.name).symlink_to(entry)
    stamp = preflight.digest(root / "requirements-dev.txt", str(root))  # type: ignore[no-untyped-call] # runs on old Pythons
    (root / ".venv" / preflight.STAMP).write_text(stamp)
    yield root
    Sandbox.at(root).destroy_state()


@pytest.mark.parametrize("path", _TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorial_holds(path: Path, checkout: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DROPBATCH_"))}

    walk(Page(path), checkout, {**kept, "PYTHONPATH": str(checkout)})
