"""A headless Chromium that opens a page and takes a screenshot."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import debian_packages

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 120
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--virtual-time-budget=5000",
    ),
)


def find() -> str:
    """Return the browser. Continuous integration installs it if it is missing; elsewhere its tests are skipped.

    Ubuntu's package of that name contains no browser; GitHub's machines run Ubuntu and have Chrome.
    """
    found = _found()
    if found is None and debian_packages.can_install():
        debian_packages.install("chromium")
        found = _found()
    if found is None and debian_packages.in_ci():
        pytest.fail("no chromium here, and it could not be installed: continuous integration looks at the page")
    return found or pytest.skip("no chromium here: the page's picture is not looked at")


def _found() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


def picture(page: Path, target: Path, scratch: Path, *, dark: bool = False, height: int = 2200) -> None:
    """Return a PNG of a page, 1180 pixels wide."""
    _run(scratch, dark, f"--window-size=1180,{height}", f"--screenshot={target}", page.as_uri())


def document(page: Path, scratch: Path, *, dark: bool = False) -> str:
    """Return the page's HTML after its script has run."""
    return _run(scratch, dark, "--dump-dom", page.as_uri())


def _run(scratch: Path, dark: bool, *more: str) -> str:
    # 0 is dark in Blink's numbering.
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    command = [find(), *_FLAGS, scheme, f"--user-data-dir={scratch}", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
