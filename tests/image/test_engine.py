"""Where containers can be tested, and with which base images; a missing engine fails in continuous integration."""

import re
from pathlib import Path

import pytest

from tests import debian_packages
from tests.image import engine


@pytest.fixture(autouse=True)
def _nothing_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_PATH", str(tmp_path))
    monkeypatch.setattr(debian_packages, "can_install", lambda: False)


def test_a_missing_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="install podman, runc, debootstrap"):
        engine.needed()


def test_a_skip_fails_in_continuous_integration(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CI", "true")

    with pytest.raises(engine.MissingError, match="start Docker"):
        engine.needed()


def test_docker_without_debootstrap_uses_bases_of_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program, log = tmp_path / "docker", tmp_path / "log"
    program.write_text(f'#!/bin/sh\n[ "$1" = image ] && exit 1\necho "$@" >> {log}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    bare, python = engine.find().base()

    (pinned,) = re.findall(r"^ARG BASE=(\S+)$", engine.DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    assert log.read_text().splitlines() == [
        "info",
        f"pull {pinned}",
        f"tag {pinned} {python}",
        "pull docker.io/library/debian:bookworm-slim",
        f"tag docker.io/library/debian:bookworm-slim {bare}",
    ]
