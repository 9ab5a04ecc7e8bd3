from pathlib import Path

import pytest

from tests.constructs_lib.synthesis import Stack, read_stacks, run_main
from tests.project import copy_project


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the output folder of one synthesis of the shipped environments."""
    folder = tmp_path_factory.mktemp("synth")
    outdir = folder / "cdktf.out"
    done = run_main(copy_project(folder / "project"), outdir)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return outdir


@pytest.fixture(scope="session")
def stacks(synthesized: Path) -> dict[str, Stack]:
    return read_stacks(synthesized)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the files that `main.py` reads, for a test to change."""
    return copy_project(tmp_path / "project")
