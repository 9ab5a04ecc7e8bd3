"""`fetch`: finds a run by any name, continues where it stopped, and checks every file."""

import io
import json
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

from dropbatch.cli import environment, results
from dropbatch.cli.deployed import Deployed
from dropbatch.contract.runs import State
from tests.cli.conftest import INPUT, OUTPUT, World, a_file


@pytest.mark.parametrize("form", ["key", "uri", "name", "run", "prefix", "output"])
def test_fetch_finds_a_run_by_any_name(world: World, tmp_path: Path, form: str):
    item = world.done({"counts.txt": b"2", "sub/more.txt": b"3"}, name="a b.txt")
    what = {
        "key": "lab/wordcount/a b.txt",
        "uri": f"s3://{INPUT}/lab/wordcount/a b.txt",
        "name": "a b.txt",
        "run": item["run_id"],
        "prefix": item["run_id"][:8],
        "output": f"s3://{OUTPUT}/{item['output_prefix']}counts.txt",
    }[form]

    result = world.call("fetch", what, str(tmp_path / "here"))

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [str(tmp_path / "here" / name) for name in ("counts.txt", "sub/more.txt")]
    assert (tmp_path / "here" / "sub" / "more.txt").read_bytes() == b"3"


@pytest.mark.parametrize("form", ["lab/inputs/1.txt", "s3://cli-input/lab/inputs/1.txt"])
def test_fetch_finds_an_input_of_another_folder(world: World, tmp_path: Path, form: str):
    world.done({"counts.txt": b"2"}, name="1.txt", input=f"s3://{INPUT}/lab/inputs/1.txt")

    result = world.call("fetch", form, str(tmp_path))

    assert result.exit_code == 0, result.output
    assert (tmp_path / "counts.txt").read_bytes() == b"2"


def test_fetch_of_a_key_selects_its_newest_run(world: World, tmp_path: Path):
    world.done({"counts.txt": b"old"})
    time.sleep(1.1)  # S3 tells times in seconds
    world.done({"counts.txt": b"new"})

    world.call("fetch", "notes.txt", str(tmp_path))

    assert (tmp_path / "counts.txt").read_bytes() == b"new"


def test_fetch_twice_downloads_once(world: World, tmp_path: Path):
    world.done({"counts.txt": b"2"})
    world.call("fetch", "notes.txt", str(tmp_path))

    result = world.call("fetch", "notes.txt", str(tmp_path))

    assert result.exit_code == 0
    assert "exists already, with the right checksum" in result.stderr


def test_fetch_continues_where_it_stopped(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    body = bytes(range(256)) * 2**14
    item = world.done({"counts.txt": body, "more.txt": b"3"})
    left = tmp_path / f".counts.txt.{sha256(body).hexdigest()[:16]}.partial"
    left.write_bytes(body[:1_000_000])
    spans = []
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def noting(self: Any, operation_name: str, kwargs: dict[str, Any]) -> Any:
        if operation_name == "GetObject":
            spans.append(kwargs.get("Range"))
        return call(self, operation_name, kwargs)

    monkeypatch.setattr(BaseClient, "_make_api_call", noting)

    result = world.call("fetch", item["run_id"], str(tmp_path), "--json")

    assert result.exit_code == 0, result.output
    assert "bytes=1000000-" in spans
    assert (tmp_path / "counts.txt").read_bytes() == body
    assert [each["already_there"] for each in json.loads(result.stdout)["files"]] == [False, False]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["counts.txt", "more.txt"]


def test_fetch_reports_a_full_disk(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    world.done({"counts.txt": b"2"})
    opened = Path.open

    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    def full(self: Path, *arguments: Any, **more: Any) -> Any:
        return Full() if self.name.endswith(".partial") else opened(self, *arguments, **more)

    monkeypatch.setattr(Path, "open", full)

    result = world.call("fetch", "notes.txt", str(tmp_path))

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path}/counts.txt: No space left on device: free some space")
    assert len(result.stderr.splitlines()) == 1


def test_fetch_overwrites_only_when_asked(world: World, tmp_path: Path):
    world.done({"counts.txt": b"2"})
    a_file(tmp_path, "counts.txt", b"precious")

    result = world.call("fetch", "notes.txt", str(tmp_path))

    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    assert (tmp_path / "counts.txt").read_bytes() == b"precious"
    assert world.call("fetch", "notes.txt", str(tmp_path), "--overwrite").exit_code == 0
    assert (tmp_path / "counts.txt").read_bytes() == b"2"


def test_fetch_refuses_what_the_run_did_not_publish(world: World, tmp_path: Path):
    item = world.done({"counts.txt": b"2"})
    world.s3.put_object(Bucket=OUTPUT, Key=item["output_prefix"] + "counts.txt", Body=b"tampered")

    result = world.call("fetch", "notes.txt", str(tmp_path / "here"))

    assert result.exit_code == 1
    assert "differs from what the run published (SHA-256)" in result.stderr
    assert list((tmp_path / "here").iterdir()) == []


def test_fetch_never_writes_outside_its_directory(world: World, tmp_path: Path):
    world.done({"../up.txt": b"2"})

    result = world.call("fetch", "notes.txt", str(tmp_path / "here"))

    assert result.exit_code == 1
    assert not (tmp_path / "up.txt").exists()


def test_fetch_of_a_failed_run_gives_the_reason(world: World, tmp_path: Path):
    item = world.item(State.FAILED)
    world.publish(item, {}, status="FAILED")

    result = world.call("fetch", item["run_id"], str(tmp_path))

    assert result.exit_code == 3
    assert "program: it broke" in result.stderr


def test_truncated_lines_of_a_result_end_with_an_ellipsis(world: World):
    item = world.done({"counts.txt": b"1\n2\n3\n"})
    deployed = Deployed(environment.choose("sandbox"))
    record = results.read_record(deployed, item["output_prefix"])

    assert results.read_head(deployed, record, lines=3) == ["1", "2", "3"]
    assert results.read_head(deployed, record, lines=2) == ["1", "2", "…"]
    assert results.read_head(deployed, {"outputs": []}, lines=2) == []
