"""How `make test` spreads the tests over processes: those of a room stay together, since they share what is dear."""

from pathlib import PurePosixPath

import pytest

_OWN_ROOM = ("tests/lambdas/crash",)
"""Long enough to be shared out apart from the folder they are in."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The end-to-end tests begin: they wait for the provider while another process uses the processors."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_room(item)))
    items.sort(key=lambda item: (item.get_closest_marker("e2e") is None, item.get_closest_marker("last") is not None))


def _room(item: pytest.Item) -> str:
    path = PurePosixPath(item.nodeid.partition("::")[0])
    for folder in _OWN_ROOM:
        if path.is_relative_to(folder):
            return folder
    return "/".join(path.parts[:2])
