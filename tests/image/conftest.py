"""Images that are really built and run, without a registry."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dropbatch.images import _lay_out, context_files
from tests.image import engine as engines
from tests.image.engine import ROOT


@pytest.fixture(scope="session")
def engine() -> engines.Engine:
    return engines.needed()


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return build arguments with which pip finds the packages, downloaded by this machine's pip and its settings.

    A server on loopback has them: not every builder supports volumes, but every one has the host's network.
    """
    folder = tmp_path_factory.mktemp("wheels")
    lists = [ROOT / "dropbatch/base" / f"{name}.txt" for name in ("requirements", "checksums", "tools")]
    options = [*(f"--requirement={each}" for each in lists), "--no-deps", "--only-binary=:all:", f"--dest={folder}"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", *options]
    subprocess.run(pip, check=True, capture_output=True, timeout=300)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"http://127.0.0.1:{server.server_port}/"}
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """An empty folder."""


@pytest.fixture(scope="session")
def wordcount(
    engine: engines.Engine, wheels: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The image of the example."""
    _, python = engine.base()
    context = tmp_path_factory.mktemp("wordcount")
    _lay_out(context_files(ROOT, ROOT / "image/wordcount"), context)
    tag = f"localhost/dropbatch-test-wordcount:{os.getpid()}"
    engine.build(tag, context, context / "opt/pipeline/Dockerfile", wheels | {"BASE": python})
    yield tag
    engine.call("rmi", tag)


@pytest.fixture(scope="session")
def around(engine: engines.Engine, wheels: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image that wraps one without Python."""
    bare, python = engine.base()
    context = tmp_path_factory.mktemp("around")
    _lay_out(context_files(ROOT, context / "no-folder", base=bare), context)
    tag = f"localhost/dropbatch-test-around:{os.getpid()}"
    engine.build(tag, context, context / "opt/build/Dockerfile", wheels | {"BASE": bare, "RUNTIME_BASE": python})
    yield tag
    engine.call("rmi", tag)
