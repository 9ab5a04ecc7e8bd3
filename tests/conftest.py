"""Distribute the tests over processes, and check every request to AWS.

Tests of one folder of `tests` stay in one process, since they share expensive fixtures. Temporary files are removed at
the end, and botocore's service models are read once.
"""

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import PurePosixPath
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests import request_checks

_OWN_ROOM = "tests/docs/test_tutorials.py"
"""This module is long enough to get a process for itself."""
_NO_ROOM = "tests/lambdas/crash"
"""These tests share nothing: any process may run any of them."""


# Temporary files of everything that tests start (cdktf, jsii, Terraform's plugins) go into a folder that goes at the
# end. It is made now: a room's own conftest.py may start Node before pytest is configured.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="dropbatch-tests-")
atexit.register(shutil.rmtree, tempfile.tempdir, ignore_errors=True)

# Terraform and its provider tell each other of some 1,500 kinds of resources, each time. A third of that is
# search for garbage, which they need not do as long as there is room.
os.environ |= {"GOGC": "off", "GOMEMLIMIT": "1GiB"}

# Each session of botocore reads the descriptions of its services again: two fifths of the time of tests that call the
# command, which makes a session each time.
_read_once = functools.cache(JSONFileLoader().load_file)
setattr(JSONFileLoader, "load_file", lambda _, file_path: _read_once(file_path))  # noqa: B010 – typed otherwise


request_checks.watch_clients()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Fail a test whose fixtures send AWS an invalid request."""
    yield from _only_what_aws_takes(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test that sends AWS an invalid request."""
    yield from _only_what_aws_takes(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail a test whose fixtures send AWS an invalid request at their end."""
    yield from _only_what_aws_takes(item)


def _only_what_aws_takes(item: pytest.Item) -> Generator[None]:
    meant = item.get_closest_marker("refused_requests") is not None
    try:
        yield
    except BaseException:
        if (found := request_checks.taken()) and not meant:
            item.add_report_section("call", "refused requests", "\n".join(found))
        raise
    if (found := request_checks.taken()) and not meant:
        pytest.fail("\n".join(["AWS would refuse:", *found]), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Replace lone surrogates in captured output, which cannot be sent from one process to another."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report


class Rooms(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types for it
    """Run the tests of one folder in one process, in their order."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        if path.is_relative_to(_NO_ROOM):
            return nodeid
        return _OWN_ROOM if path.is_relative_to(_OWN_ROOM) else "/".join(path.parts[:2])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Rooms:
    """Return the scheduler used with ``-n``. (`--dist loadgroup` does nothing with pytest 9.2 and xdist 3.8.)"""
    return Rooms(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the end-to-end tests first, since they wait for the provider while others compute; destroying tests last.

    Tests that share nothing fill the remaining time.
    """

    def place(item: pytest.Item) -> tuple[bool, bool, bool]:
        to_fill_up = item.nodeid.startswith(_NO_ROOM)
        return item.get_closest_marker("e2e") is None, to_fill_up, item.get_closest_marker("last") is not None

    items.sort(key=place)
