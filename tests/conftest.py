"""How `make test` spreads the tests over processes: those of a room stay together, since they share what is dear.

And that nothing of them is left in the system's temporary directory.
"""

import os
import tempfile
from collections.abc import Generator
from pathlib import PurePosixPath

import pytest

_OWN_ROOM = ("tests/lambdas/crash",)
"""Long enough to be shared out apart from the folder they are in."""


@pytest.hookimpl(trylast=True)  # when pytest's own directory is known
def pytest_configure(config: pytest.Config) -> None:
    """Temporary files of everything that tests start (cdktf, jsii, Terraform's plugins) go where pytest clears up."""
    directory = config._tmp_path_factory.getbasetemp() / "tmp"  # type: ignore[attr-defined]
    directory.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(directory)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half characters, which some tests make and code then logs, do not pass from one process to the other."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report


@pytest.hookimpl(tryfirst=True)  # before the processes look for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms are kept together; the end-to-end tests begin, since they wait for the provider while others compute."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_room(item)))
    items.sort(key=lambda item: (item.get_closest_marker("e2e") is None, item.get_closest_marker("last") is not None))


def _room(item: pytest.Item) -> str:
    path = PurePosixPath(item.nodeid.partition("::")[0])
    for folder in _OWN_ROOM:
        if path.is_relative_to(folder):
            return folder
    return "/".join(path.parts[:2])
