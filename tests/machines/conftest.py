"""A machine's file system, shared by the tests here."""

from pathlib import Path

import pytest

from tests.machines.system import debian_base


@pytest.fixture(scope="session")
def base() -> Path:
    return debian_base()
