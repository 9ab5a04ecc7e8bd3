"""The tutorials, from first line to last, one after the other in one checkout."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropbatch import preflight
from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.engine import BUILD_OPTIONS
from tests.docs.pages import ROOT, Page
from tests.docs.session import walk
from tests.image import engine as engines
from tests.image.conftest import wheels
from tests.project import copy_project

__all__ = ["wheels"]

pytestmark = pytest.mark.e2e

_TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("[0-9]*.md"))
_COPIED = ("Makefile", "cdktf.json", "package.json")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a new checkout that shares the packages of this one."""
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
def test_every_command_of_the_tutorial_succeeds(path: Path, checkout: Path) -> None:
    walk(Page(path), checkout, _environ(checkout))


@pytest.mark.soak
def test_every_command_that_needs_containers_succeeds(checkout: Path, tmp_path: Path, wheels: dict[str, str]) -> None:
    """The page about images, with its containers; base images are built by the tests, so that no registry is needed."""
    engine = engines.needed()
    bare, python = engine.base()
    page = tmp_path / "page.md"
    text = (ROOT / "docs" / "tutorials" / "03-my-own-image.md").read_text(encoding="utf-8")
    page.write_text(text.partition("## With a GPU")[0].replace("docker.io/library/busybox:1.37", bare), "utf-8")
    arguments = {"RUNTIME_BASE": python} | wheels
    options = ["--network=host", *(f"--build-arg={name}={value}" for name, value in arguments.items())]
    dockerfile = checkout / "image" / "wordcount" / "Dockerfile"
    pinned = dockerfile.read_text(encoding="utf-8")
    dockerfile.write_text(re.sub(r"(?m)^ARG BASE=.*$", f"ARG BASE={python}", pinned), encoding="utf-8")

    walk(Page(page), checkout, _environ(checkout) | {BUILD_OPTIONS: " ".join(options)}, there=("", "needs-docker"))


def _environ(checkout: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DROPBATCH_"))}
    return {**kept, "PYTHONPATH": str(checkout)}
