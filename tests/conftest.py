"""Distribute the tests over processes, and check every request to AWS.

Tests of one folder of `tests` stay in one process, since they share expensive fixtures. Temporary files are removed at
the end, and botocore's service models are read once.
"""

import atexit
import functools
import json
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

_SEPARATE_MODULE = "tests/docs/test_tutorials.py"
"""This module is long enough to get a process for itself."""
_SHARING_NOTHING = "tests/lambdas/crash"
"""These tests share nothing: any process may run any of them."""


# Temporary files of programs that tests start (cdktf, jsii, Terraform's plugins) are in a folder that is removed at the
# end. It is created now, since a conftest.py further down may start Node before pytest is configured.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="dropbatch-tests-")
atexit.register(shutil.rmtree, tempfile.tempdir, ignore_errors=True)

# Terraform and its provider exchange the schemas of some 1,500 kinds of resources, each time. A third of that time is
# garbage collection, which is unnecessary while there is memory.
os.environ |= {"GOGC": "off", "GOMEMLIMIT": "1GiB"}

# Each session of botocore reads the service models again: two fifths of the time of tests that call the command, which
# creates a session each time.
_read_once = functools.cache(JSONFileLoader().load_file)
setattr(JSONFileLoader, "load_file", lambda _, file_path: _read_once(file_path))  # noqa: B010 – typed otherwise


request_checks.watch_clients()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a case by its content if it is a list of words or a JSON value; otherwise pytest numbers it."""
    if isinstance(val, list | tuple) and val and all(isinstance(each, str) for each in val):
        text = " ".join(val)
    elif isinstance(val, list | tuple | dict) and val:
        try:
            text = json.dumps(val)
        except (TypeError, ValueError):
            return None
    else:
        return None
    return text[:60].encode("unicode_escape").decode()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Fail a test whose fixtures send AWS an invalid request."""
    yield from _fail_on_invalid_requests(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test that sends AWS an invalid request."""
    yield from _fail_on_invalid_requests(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail a test whose fixtures send AWS an invalid request at their end."""
    yield from _fail_on_invalid_requests(item)


def _fail_on_invalid_requests(item: pytest.Item) -> Generator[None]:
    intended = item.get_closest_marker("refused_requests") is not None
    try:
        yield
    except BaseException:
        if (faults := request_checks.taken()) and not intended:
            item.add_report_section("call", "refused requests", "\n".join(faults))
        raise
    if (faults := request_checks.taken()) and not intended:
        pytest.fail("\n".join(["AWS would refuse:", *faults]), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Replace lone surrogates in captured output, which cannot be sent from one process to another."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report


class FolderScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types for it
    """Run the tests of one folder in one process, in their order."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        if path.is_relative_to(_SHARING_NOTHING):
            return nodeid
        return _SEPARATE_MODULE if path.is_relative_to(_SEPARATE_MODULE) else "/".join(path.parts[:2])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderScheduling:
    """Return the scheduler used with ``-n``. (`--dist loadgroup` does nothing with pytest 9.2 and xdist 3.8.)"""
    return FolderScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the end-to-end tests first, since they wait for the provider while others compute; destroying tests last.

    Tests that share nothing fill the remaining time.
    """

    def place(item: pytest.Item) -> tuple[bool, bool, bool]:
        fills_up = item.nodeid.startswith(_SHARING_NOTHING)
        return item.get_closest_marker("e2e") is None, fills_up, item.get_closest_marker("last") is not None

    items.sort(key=place)
