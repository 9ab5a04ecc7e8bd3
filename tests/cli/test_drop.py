"""`dropbatch drop`: upload, follow, fetch."""

import json
import threading
import time
from pathlib import Path

import pytest

from dropbatch.contract import keys
from dropbatch.contract.runs import State, run_id
from tests.cli.conftest import INPUT, OUTPUT, World


def file(tmp_path: Path, name: str = "notes.txt", body: bytes = b"one two") -> Path:
    path = tmp_path / name
    path.write_bytes(body)
    return path


def arrival(world: World, *states: State, files: dict[str, bytes] | None = None, reason: str = "") -> threading.Thread:
    """Someone who turns the next object of the input bucket into a run, which passes through these states."""
    known = {version["VersionId"] for version in world.s3.list_object_versions(Bucket=INPUT).get("Versions", [])}

    def work() -> None:
        while True:
            versions = world.s3.list_object_versions(Bucket=INPUT).get("Versions", [])
            fresh = [version for version in versions if version["VersionId"] not in known]
            if fresh:
                break
            time.sleep(0.02)
        key, version_id = fresh[0]["Key"], fresh[0]["VersionId"]
        identity = run_id(group="lab", pipeline="wordcount", bucket=INPUT, key=key, version_id=version_id)
        name = keys.InputKey.parse(key).rest
        for state in states:
            if state is State.SUCCEEDED:
                item = world.item(State.RUNNING, name=name, identity=identity)
                world.publish(item, files or {})
            world.item(state, name=name, identity=identity, reason=reason)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_drop_prints_the_uri_and_nothing_else(world: World, tmp_path: Path):
    path = file(tmp_path, "a b+(1) \u00fc.txt")

    result = world.call("drop", str(path))

    assert (result.exit_code, result.stdout) == (0, f"s3://{INPUT}/lab/wordcount/a b+(1) \u00fc.txt\n")
    assert world.s3.get_object(Bucket=INPUT, Key="lab/wordcount/a b+(1) \u00fc.txt")["Body"].read() == b"one two"


def test_drop_and_wait(world: World, tmp_path: Path):
    path = file(tmp_path)
    arrival(world, State.HELD, State.RUNNING, State.SUCCEEDED, files={"counts.txt": b"2"})

    result = world.call("drop", str(path), "--wait")

    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first == f"s3://{INPUT}/lab/wordcount/notes.txt"
    assert second.startswith(f"s3://{OUTPUT}/lab/wordcount/notes.txt/r-")
    assert "SUCCEEDED" in result.stderr


def test_drop_and_fetch(world: World, tmp_path: Path):
    path = file(tmp_path)
    arrival(world, State.SUCCEEDED, files={"sub/counts.txt": b"2"})

    result = world.call("drop", str(path), "--fetch", str(tmp_path / "here"))

    assert result.exit_code == 0, result.output
    assert (tmp_path / "here" / "sub" / "counts.txt").read_bytes() == b"2"


def test_drop_as_json(world: World, tmp_path: Path):
    path = file(tmp_path)
    arrival(world, State.SUCCEEDED, files={"counts.txt": b"2"})

    result = world.call("drop", str(path), "--wait", "--json")

    (answer,) = json.loads(result.stdout)
    assert answer.keys() == {"input", "version_id", "run_id", "state", "reason", "outputs", "record"}
    assert answer["state"] == "SUCCEEDED"


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.CANCELLED])
def test_a_run_that_does_not_succeed_is_exit_code_1(world: World, tmp_path: Path, state: State):
    path = file(tmp_path)
    arrival(world, state, reason="the reason")

    result = world.call("drop", str(path), "--wait")

    assert result.exit_code == 1
    assert f"{state}: the reason" in result.stderr


def test_interrupting_stops_following_not_the_run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dropbatch.cli.runs.follow", interrupt)

    result = world.call("drop", str(file(tmp_path)), "--wait")

    assert result.exit_code != 0
    assert "the runs go on" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{dir}/none.txt"], 3, "does not exist"),
        (["{dir}"], 2, "is not a file"),
        (["{dir}/notes.txt", "--pipeline", "nope"], 2, "no pipeline named nope: known are wordcount"),
        (["{dir}/notes.txt", "{dir}/sub/notes.txt"], 2, "would get the same key"),
        (["{dir}/" + "\u00fc" * 120], 0, ""),
        (["{dir}/" + "x" * 900], 2, "would get a key of 914 bytes, 900 are taken"),
    ],
)
def test_what_cannot_be_dropped(world: World, tmp_path: Path, arguments: list[str], code: int, words: str):
    file(tmp_path)
    (tmp_path / "sub").mkdir()
    file(tmp_path / "sub")
    file(tmp_path, "\u00fc" * 120)

    result = world.call("drop", *(argument.format(dir=tmp_path) for argument in arguments))

    assert result.exit_code == code, result.output
    assert words in result.stderr
    if code:
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
