"""The set-up of a checkout, where it can fail."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from dropbatch import preflight


def test_an_environment_whose_creation_was_interrupted_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given one with a Python, but without pip, which comes last
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").touch()
    calls: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command[1:])
        (programs / "pip").touch()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(preflight.subprocess, "run", run)  # type: ignore[attr-defined]

    # When it is set up twice
    found = {preflight.make_venv(str(tmp_path)) for _ in range(2)}  # type: ignore[no-untyped-call] # runs on old Pythons

    # Then it was made once, from nothing
    assert found == {str(programs / "python")}
    assert calls == [["-m", "venv", "--clear", str(tmp_path)]]


def test_a_python_that_creates_no_environments_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "apt install python3.11-venv\n"  # as Debian's does, when that package is missing
    monkeypatch.setattr(
        preflight.subprocess,  # type: ignore[attr-defined]
        "run",
        lambda command, **_: subprocess.CompletedProcess(command, 1, stdout=said),
    )

    with pytest.raises(SystemExit):
        preflight.make_venv(str(tmp_path))  # type: ignore[no-untyped-call]

    assert capsys.readouterr().err == f"{said}error: the virtual environment could not be created: see above\n"
