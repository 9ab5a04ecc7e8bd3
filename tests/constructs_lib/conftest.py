import shutil
from pathlib import Path

import pytest

from tests.constructs_lib.synthesis import ROOT, Stack, read_stacks, run_main


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of one synthesis of the repository's environments."""
    outdir = tmp_path_factory.mktemp("synth") / "cdktf.out"
    done = run_main(ROOT, outdir)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return outdir


@pytest.fixture(scope="session")
def stacks(synthesized: Path) -> dict[str, Stack]:
    return read_stacks(synthesized)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what `main.py` reads, to be changed."""
    copy = tmp_path / "project"
    copy.mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("constructs_lib", "dropbatch", "environments", "image", "lambdas"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignore)
    for file in ("main.py", "bootstrap.toml"):
        shutil.copy(ROOT / file, copy / file)
    return copy
