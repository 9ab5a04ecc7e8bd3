"""Images are built once for all environments, with a stub engine that records its calls."""

import shutil
from pathlib import Path

import pytest

from delivery.images import main
from tests.project import copy_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy_project(tmp_path)
    prod = tmp_path / "environments/prod.toml"
    prod.write_text(prod.read_text().replace("-CHANGE-ME", "-1"))
    engine = tmp_path / "bin/docker"
    engine.parent.mkdir()
    engine.write_text(
        f'#!/bin/sh\n[ "$1" = info ] && exit 0\necho "$1" >> {tmp_path}/calls\n'
        'test "$1" != "$FAILS" || exit 1\n[ "$1" = save ] && echo image > "$3"\nexit 0\n'
    )
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{engine.parent}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_image_is_built_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Given two environments with the same image
    prod = project / "environments/prod.toml"
    (project / "environments/more.toml").write_text(prod.read_text().replace('name = "prod"', 'name = "more"'))
    assert main(["--into", "built"]) == 0
    (archive,) = Path("built").iterdir()
    assert archive.name.startswith("wordcount-")
    assert capsys.readouterr().out == f"{archive.name}: 0 MiB\n"
    assert (project / "calls").read_text().split() == ["build", "save"]


def test_a_failed_build_ends_the_command(project: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("FAILS", "build")
    assert main(["--into", "built"]) == 1
    assert capsys.readouterr().err == "error: `docker build` failed with exit code 1: see its output above\n"


def test_a_missing_image_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(project / "image/wordcount")
    assert main(["--into", "built"]) == 1
    assert "error: environments/prod.toml: pipeline.wordcount.image: " in capsys.readouterr().err


@pytest.mark.parametrize(("architecture", "built"), [("amd64", 1), ("arm64", 0)])
def test_a_machine_builds_for_its_own_architecture(project: Path, architecture: str, built: int) -> None:
    assert main(["--into", "built", "--architecture", architecture]) == 0
    assert len(list(Path("built").glob("*.tar"))) == built
