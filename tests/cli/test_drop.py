"""`dropbatch drop`: upload, follow, fetch."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError

from dropbatch.cli import multipart, uploads
from dropbatch.contract import keys
from dropbatch.contract.runs import State, run_id
from tests.cli.conftest import INPUT, OUTPUT, World


def file(tmp_path: Path, name: str = "notes.txt", body: bytes = b"one two") -> Path:
    path = tmp_path / name
    path.write_bytes(body)
    return path


def arrival(world: World, *states: State, files: dict[str, bytes] | None = None, reason: str = "") -> threading.Thread:
    """Simulate a function that turns the next object of the input bucket into a run with these states."""
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


def test_drop_waits_for_the_end(world: World, tmp_path: Path):
    path = file(tmp_path)
    arrival(world, State.HELD, State.RUNNING, State.SUCCEEDED, files={"counts.txt": b"2"})

    result = world.call("drop", str(path), "--wait")

    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first == f"s3://{INPUT}/lab/wordcount/notes.txt"
    assert second.startswith(f"s3://{OUTPUT}/lab/wordcount/notes.txt/r-")
    assert "SUCCEEDED" in result.stderr


def test_drop_fetches_the_results(world: World, tmp_path: Path):
    path = file(tmp_path)
    arrival(world, State.SUCCEEDED, files={"sub/counts.txt": b"2"})

    result = world.call("drop", str(path), "--fetch", str(tmp_path / "here"))

    assert result.exit_code == 0, result.output
    assert (tmp_path / "here" / "sub" / "counts.txt").read_bytes() == b"2"


def test_drop_prints_json(world: World, tmp_path: Path):
    path = file(tmp_path)
    arrival(world, State.SUCCEEDED, files={"counts.txt": b"2"})

    result = world.call("drop", str(path), "--wait", "--json")

    (answer,) = json.loads(result.stdout)
    assert answer.keys() == {"input", "version_id", "run_id", "already_there", "state", "reason", "outputs", "record"}
    assert answer["state"] == "SUCCEEDED"


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.CANCELLED])
def test_an_unsuccessful_run_gives_exit_code_1(world: World, tmp_path: Path, state: State):
    path = file(tmp_path)
    arrival(world, state, reason="the reason")

    result = world.call("drop", str(path), "--wait")

    assert result.exit_code == 1
    assert f"{state}: the reason" in result.stderr
    assert ("see `dropbatch logs" in result.stderr) is (state is not State.REJECTED)  # what never ran has none


def test_an_interrupt_ends_following_but_not_the_run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dropbatch.cli.runs.follow", interrupt)

    result = world.call("drop", str(file(tmp_path)), "--wait")

    assert result.exit_code != 0
    assert "the runs continue" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{dir}/none.txt"], 3, "does not exist"),
        (["{dir}/empty"], 2, "holds no files"),
        (["/dev/null"], 2, "is not a file"),
        (["{dir}/notes.txt", "--marker", "_DONE"], 2, "give directories only"),
        (["{dir}/notes.txt", "--pipeline", "nope"], 2, "no pipeline named nope: known are wordcount"),
        (["{dir}/notes.txt", "{dir}/sub/notes.txt"], 2, "would get the same key"),
        (["{dir}/" + "\u00fc" * 120], 0, ""),
        (["{dir}/" + "x" * 900], 2, "would get a key of 914 bytes, the maximum is 900"),
    ],
)
def test_an_invalid_drop_is_refused(world: World, tmp_path: Path, arguments: list[str], code: int, words: str):
    file(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "empty").mkdir()
    file(tmp_path / "sub")
    file(tmp_path, "\u00fc" * 120)

    result = world.call("drop", *(argument.format(dir=tmp_path) for argument in arguments))

    assert result.exit_code == code, result.output
    assert words in result.stderr
    if code:
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1


# --- many files, and what is there already ----------------------------------------------------------------------------


def objects(world: World) -> dict[str, int]:
    return {each["Key"]: each["Size"] for each in world.s3.list_objects_v2(Bucket=INPUT).get("Contents", [])}


def test_a_directory_keeps_its_name_and_structure(world: World, tmp_path: Path):
    scans = tmp_path / "scans"
    (scans / "a").mkdir(parents=True)
    for name in ("1.txt", "a/1.txt", "a/2.txt"):
        file(scans, name)

    result = world.call("drop", str(scans))

    assert result.exit_code == 0, result.output
    below = "lab/wordcount/scans/"
    assert set(objects(world)) == {below + "1.txt", below + "a/1.txt", below + "a/2.txt"}
    assert result.stdout.splitlines() == [f"s3://{INPUT}/{below}{name}" for name in ("1.txt", "a/1.txt", "a/2.txt")]


def test_unchanged_content_is_not_uploaded_again(world: World, tmp_path: Path):
    path = file(tmp_path)
    (first,) = json.loads(world.call("drop", str(path), "--json").stdout)

    result = world.call("drop", str(path), "--json")

    (second,) = json.loads(result.stdout)
    assert second == first | {"already_there": True}
    assert f"dropbatch rerun {first['run_id'][:12]}" in result.stderr
    assert len(result.stderr.splitlines()) == 1

    path.write_bytes(b"two one")
    (third,) = json.loads(world.call("drop", str(path), "--json").stdout)
    assert not third["already_there"]
    assert third["run_id"] != first["run_id"]


def test_an_upload_of_another_client_is_recognised_by_its_etag(world: World, tmp_path: Path):
    world.s3.put_object(Bucket=INPUT, Key="lab/wordcount/notes.txt", Body=b"one two")

    (answer,) = json.loads(world.call("drop", str(file(tmp_path)), "--json").stdout)

    assert answer["already_there"]


@pytest.mark.parametrize("options", [("--pipeline", "wordcount", "--marker", "_DONE"), ("--pipeline", "scans")])
def test_the_marker_of_a_folder_is_uploaded_after_its_files(world: World, tmp_path: Path, options: tuple[str, ...]):
    world.describe(pipelines=["scans", "wordcount"], folders={"scans": "_DONE"})
    scan = tmp_path / "scan"
    scan.mkdir()
    file(scan, "1.txt")
    file(scan, "_DONE")

    (answer,) = json.loads(world.call("drop", str(scan), *options, "--json").stdout)

    folder = f"lab/{options[1]}/scan/"
    assert objects(world) == {folder + "1.txt": 7, folder + "_DONE": 0}
    version_id = world.s3.head_object(Bucket=INPUT, Key=folder + "_DONE")["VersionId"]
    assert answer["run_id"] == run_id(group="lab", pipeline=options[1], bucket=INPUT, key=folder, version_id=version_id)


def test_a_complete_folder_gets_no_second_marker(world: World, tmp_path: Path):
    world.describe(folders={"wordcount": "_DONE"})
    scan = tmp_path / "scan"
    scan.mkdir()
    file(scan, "1.txt")
    (first,) = json.loads(world.call("drop", str(scan), "--json").stdout)

    again = world.call("drop", str(scan), "--json")
    file(scan, "2.txt")
    (third,) = json.loads(world.call("drop", str(scan), "--json").stdout)

    assert json.loads(again.stdout) == [first | {"already_there": True}]
    assert "scan is there already with the same content, so nothing starts; to process again" in again.stderr
    assert not third["already_there"]
    assert third["run_id"] != first["run_id"]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(multipart, "PART_BYTES", 5 * 2**20)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("small_parts")
def test_an_interrupted_upload_continues(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    body = bytes(range(256)) * (17 * 2**12)  # 17 MiB, four parts
    path = file(tmp_path, "big.dat", body)
    asked: list[int] = []

    def counting(self: Any, operation_name: str, kwargs: dict[str, Any]) -> Any:
        if operation_name == "UploadPart":
            asked.append(kwargs["PartNumber"])
            if broken and kwargs["PartNumber"] == 3:
                raise EndpointConnectionError(endpoint_url="http://s3")
        return call(self, operation_name, kwargs)

    call = BaseClient._make_api_call  # type: ignore[attr-defined]
    monkeypatch.setattr(BaseClient, "_make_api_call", counting)
    broken = True
    first = world.call("drop", str(path))
    before, broken = set(asked) - {3}, False
    asked.clear()

    second = world.call("drop", str(path))

    assert first.exit_code == 5, first.output
    assert "no response" in first.stderr
    assert second.exit_code == 0, second.output
    assert set(asked) == {1, 2, 3, 4} - before
    assert before
    assert world.s3.get_object(Bucket=INPUT, Key="lab/wordcount/big.dat")["Body"].read() == body
    assert list((tmp_path / "cache" / "dropbatch" / "uploads").iterdir()) == []


@pytest.mark.usefixtures("small_parts")
def test_a_file_that_changes_during_the_upload_is_not_dropped(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = file(tmp_path, "big.dat", bytes(6 * 2**20))
    digests = multipart.digests

    def slow(path: Path, *more: Any) -> tuple[str, str]:
        found = digests(path, *more)
        path.write_bytes(b"other")
        return found

    monkeypatch.setattr(uploads, "digests", slow)

    result = world.call("drop", str(path))

    assert result.exit_code == 1
    assert "changed during the upload" in result.stderr
    assert objects(world) == {}
