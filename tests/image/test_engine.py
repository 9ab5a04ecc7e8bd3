"""Where containers cannot be tested: a word for a person, a failure in continuous integration."""

from pathlib import Path

import pytest

from tests.image import engine


@pytest.fixture(autouse=True)
def _nothing_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_PATH", str(tmp_path))


def test_a_person_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="install podman, runc, debootstrap"):
        engine.needed()


def test_a_skip_in_continuous_integration_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CI", "true")

    with pytest.raises(engine.MissingError, match="start Docker"):
        engine.needed()
