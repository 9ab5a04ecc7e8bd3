"""The choice of a container engine, and its settings."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from dropbatch.sandbox import engine as engines
from dropbatch.sandbox.batch import runner_container
from dropbatch.sandbox.batch.joblog import JobLog
from dropbatch.sandbox.batch.runner_container import RunningContainer
from dropbatch.sandbox.engine import BUILD_OPTIONS, Engine, find_engine, settings_for_server
from dropbatch.sandbox.errors import SandboxError


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is alone on PATH, except for the shell's own programs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, line: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{line}\n")
    (folder / name).chmod(0o755)


def test_a_hanging_docker_daemon_makes_podman_the_engine(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(programs, "docker", "exec /bin/sleep 60")
    program(programs, "podman", "exit 0")
    monkeypatch.setattr(engines, "_INFO_SECONDS", 0.2)

    assert find_engine() == Engine("podman")


def test_a_hanging_command_fails_in_time_with_a_message(programs: Path) -> None:
    program(programs, "docker", "exec /bin/sleep 60")

    done = Engine("docker").call("rm", "x", seconds=0.2)

    assert (done.returncode, done.stderr) == (124, "`docker rm` did not end within 0 s")


def test_a_missed_end_is_found_by_inspecting_the_container(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = programs / "looks"
    program(
        programs,
        "docker",
        f'case "$1" in wait|logs) exec /bin/sleep 60 ;; esac\n'
        f'case "$2" in *Status*) echo >> {looks}; '
        f'[ "$(/usr/bin/wc -l < {looks})" -lt 2 ] && echo running 0 || echo exited 3 ;; esac',
    )
    monkeypatch.setattr(runner_container, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(runner_container, "_LOG_SECONDS", 0.5)
    cleaned: list[bool] = []
    log = Mock(spec=JobLog)

    ended = RunningContainer(Engine("docker"), "name", log, lambda: cleaned.append(True)).wait()

    assert (ended.code, cleaned, looks.read_text()) == (3, [True], "\n\n")


def test_a_missing_engine_names_the_other_runner(programs: Path) -> None:
    program(programs, "docker", "exit 1")

    with pytest.raises(SandboxError, match=r"needs docker or podman.*--runner process"):
        find_engine()


def test_the_server_calls_the_engine_with_the_settings_of_the_user(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "docker", 'echo "$HOME $DOCKER_HOST $SECRET"')
    monkeypatch.setenv("HOME", "/home/user")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/user.sock")
    told = settings_for_server()
    for name, value in {**told, "HOME": "/sandbox", "DOCKER_HOST": "unix:///none.sock", "SECRET": "key"}.items():
        monkeypatch.setenv(name, value)

    assert Engine("docker").call("info").stdout == "/home/user unix:///run/user.sock \n"


def test_build_options_of_the_user_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUILD_OPTIONS, "--build-arg='BASE=a b' --pull=never")

    assert Engine("docker").build == ["--build-arg=BASE=a b", "--pull=never"]


def test_unparseable_build_options_name_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUILD_OPTIONS, "--build-arg='BASE")

    with pytest.raises(SandboxError, match=f"{BUILD_OPTIONS} must be words as in a shell: No closing quotation"):
        settings_for_server()


@pytest.mark.parametrize(
    ("there", "options"),
    [([], []), (["tini"], ["--init", "--init-path={}/tini"]), (["catatonit", "tini"], ["--init"])],
)
def test_podman_gets_an_init_that_exists(
    programs: Path, monkeypatch: pytest.MonkeyPatch, there: list[str], options: list[str]
) -> None:
    for name in there:
        program(programs, name, "exit 0")
    monkeypatch.setattr(engines, "_INIT_FOLDERS", (str(programs),))

    assert Engine("podman").init == [each.format(programs) for each in options]
    assert Engine("docker").init == ["--init"]
