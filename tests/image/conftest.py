"""Images built and run for real, without any registry."""

import subprocess
import sys
from pathlib import Path

import pytest

from dropbatch.images import _lay_out, context_files
from tests.image import engine as engines
from tests.image.engine import ROOT


@pytest.fixture(scope="session")
def engine() -> engines.Engine:
    return engines.needed()


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What images install, fetched by the pip of this machine, whose settings know the way."""
    folder = tmp_path_factory.mktemp("wheels")
    lists = [ROOT / "image/wordcount/requirements.txt", ROOT / "dropbatch/base/tools.txt"]
    options = [f"--requirement={each}" for each in lists]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
    ]
    subprocess.run([*pip, *options], check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture(scope="session")
def wordcount(engine: engines.Engine, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the example."""
    _, python = engine.base()
    context = tmp_path_factory.mktemp("wordcount")
    _lay_out(context_files(ROOT, ROOT / "image/wordcount"), context)
    tag = "localhost/dropbatch-test-wordcount"
    engine.build(tag, context, context / "opt/pipeline/Dockerfile", {"BASE": python}, wheels)
    return tag


@pytest.fixture(scope="session")
def around(engine: engines.Engine, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image around one that has no Python."""
    bare, python = engine.base()
    context = tmp_path_factory.mktemp("around")
    _lay_out(context_files(ROOT, context / "no-folder", base=bare), context)
    tag = "localhost/dropbatch-test-around"
    arguments = {"BASE": bare, "RUNTIME_BASE": python}
    engine.build(tag, context, context / "opt/build/Dockerfile", arguments, wheels)
    return tag
