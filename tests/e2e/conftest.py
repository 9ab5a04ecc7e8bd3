import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Deploy one stack for all end-to-end tests, since an apply waits a minute for the provider."""
    saved = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    made = Lab(tmp_path_factory.mktemp("lab"))
    try:
        made.deploy()
        yield made
    finally:
        made.sandbox.destroy_state()
        os.environ.update(saved)


@pytest.fixture
def whole_suite(request: pytest.FixtureRequest) -> bool:
    """Return whether all end-to-end tests run, except those marked soak; they all run in one process."""
    here = Path(__file__).parent
    session = request.session
    chosen = {item.path for item in session.items} | {item.path for item in _LEFT_OUT}
    left_out = [item for item in _LEFT_OUT if here in item.path.parents and not item.get_closest_marker("soak")]
    return not left_out and chosen >= set(here.glob("test_*.py")) and not session.testsfailed


_LEFT_OUT: list[pytest.Item] = []


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Remember the tests that ``-k``, ``-m`` and similar options deselect."""
    _LEFT_OUT.extend(items)
