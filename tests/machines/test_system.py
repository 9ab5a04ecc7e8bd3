"""Where machines can be booted; a missing tool fails in continuous integration."""

from pathlib import Path

import pytest

from tests import debian_packages
from tests.machines import system


@pytest.fixture(autouse=True)
def _nothing_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_PATH", str(tmp_path))
    monkeypatch.setattr(debian_packages, "can_install", lambda: False)


def test_a_missing_tool_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="be root, on Linux, and install debootstrap"):
        system.debian_base()


def test_a_skip_fails_in_continuous_integration(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CI", "true")

    with pytest.raises(AssertionError, match="machines cannot be booted"):
        system.debian_base()
