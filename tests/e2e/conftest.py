import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One deployed stack for all end-to-end tests: an apply costs a minute of the provider's waits."""
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
    """Whether all end-to-end tests run but those that are soak; on whatever process, they all run on one."""
    here = Path(__file__).parent
    session = request.session
    chosen = {item.path for item in session.items} | {item.path for item in _LEFT_OUT}
    left_out = [item for item in _LEFT_OUT if here in item.path.parents and not item.get_closest_marker("soak")]
    return not left_out and chosen >= set(here.glob("test_*.py")) and not session.testsfailed


_LEFT_OUT: list[pytest.Item] = []


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Keep what ``-k``, ``-m`` and their like leave out."""
    _LEFT_OUT.extend(items)
