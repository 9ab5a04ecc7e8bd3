"""The other commands, from arguments to output: data on stdout, talk on stderr, exit codes."""

import io
import json
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

from dropbatch.cli import environment, results, runs
from dropbatch.cli.deployed import Deployed
from dropbatch.contract import keys
from dropbatch.contract.runs import State
from tests.cli.conftest import INPUT, LOGS, OUTPUT, World


def file(tmp_path: Path, name: str = "notes.txt", body: bytes = b"one two") -> Path:
    path = tmp_path / name
    path.write_bytes(body)
    return path


# --- status -----------------------------------------------------------------------------------------------------------


def test_status_lists_the_newest_first(world: World):
    for number, state in enumerate((State.SUCCEEDED, State.FAILED, State.HELD)):
        world.item(state, name=f"{number}.txt", minutes_ago=10 - number)
    world.item(State.SUCCEEDED, name="old.txt", minutes_ago=60 * 24 * 3)

    result = world.call("status", "--days", "2")

    assert result.exit_code == 0
    assert [line.split()[3] for line in result.stdout.splitlines()[1:]] == ["2.txt", "1.txt", "0.txt"]
    assert result.stderr.startswith(
        "sandbox/lab: 3 runs in the last 2 days: 1 HELD, 1 SUCCEEDED, 1 FAILED; 0.1 end per"
    )


def test_status_limit_keeps_the_newest_and_counts_all(world: World):
    for number in range(30):
        world.item(State.SUCCEEDED, name=f"{number}.txt", minutes_ago=number + 1)

    result = world.call("status", "--limit", "2")

    assert [line.split()[3] for line in result.stdout.splitlines()[1:]] == ["0.txt", "1.txt"]
    assert "30 SUCCEEDED" in result.stderr


def test_status_since_a_moment(world: World):
    world.item(State.SUCCEEDED, name="new.txt", minutes_ago=5)
    world.item(State.SUCCEEDED, name="old.txt", minutes_ago=90)

    result = world.call("status", "--since", "1h")

    assert [line.split()[3] for line in result.stdout.splitlines()[1:]] == ["new.txt"]
    assert result.stderr.startswith("sandbox/lab: 1 run since 1h: 1 SUCCEEDED")
    assert "2026-01-31" in world.call("status", "--since", "yesterday").stderr


def test_status_of_one_pipeline(world: World):
    world.describe(pipelines=["align", "wordcount"])
    world.item(State.SUCCEEDED, name="w.txt")
    world.item(State.FAILED, name="a.txt", pipeline="align")

    result = world.call("status", "--pipeline", "align")

    assert "1 FAILED" in result.stderr
    assert "w.txt" not in result.stdout


def test_status_estimates_the_end(world: World):
    for number in range(10):
        world.item(State.SUCCEEDED, name=f"{number}.txt", minutes_ago=5)
    for number in range(20):
        world.item(State.HELD, name=f"w{number}.txt", minutes_ago=5)

    result = world.call("status")
    body = json.loads(world.call("status", "--json").stdout)

    assert "2.0 end per minute, all in about 10 min" in result.stderr or "9 min 5" in result.stderr
    assert body["ended_per_minute"] == pytest.approx(2, abs=0.1)
    assert body["estimated_end"] > body["runs"][0]["created_at"]


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_status_watches_until_interrupted(world: World, monkeypatch: pytest.MonkeyPatch, as_json: tuple[str, ...]):
    looks = []

    def sleep(_: float) -> None:
        looks.append(world.item(State.RUNNING))
        if len(looks) > 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("dropbatch.cli.commands.status.time.sleep", sleep)

    lines = world.call("status", "--watch", *as_json).stdout.splitlines()

    assert len(lines) == 3
    if as_json:
        assert [json.loads(line)["counts"]["RUNNING"] for line in lines] == [0, 1, 2]
    else:
        assert "2 RUNNING" in lines[2]


def test_status_with_nothing_to_show(world: World):
    result = world.call("status")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "dropbatch drop" in result.stderr


def test_files_that_belong_to_no_group_can_be_looked_at(world: World, tmp_path: Path):
    world.item(
        State.REJECTED, group=keys.SYSTEM_GROUP, input=f"s3://{INPUT}/stray.txt", reason="the file lies at the root"
    )

    assert "stray.txt" in world.call("--group", "_system", "status").stdout
    assert world.call("--group", "_system", "drop", str(file(tmp_path))).exit_code == 2


def test_status_as_json(world: World):
    world.item(State.FAILED, reason="why")

    body = json.loads(world.call("status", "--json").stdout)

    assert body["counts"]["FAILED"] == 1
    assert body["runs"][0]["reason"] == "why"


def test_a_hostile_name_does_not_steer_the_terminal(world: World):
    world.item(State.SUCCEEDED, name="\x1b[2Jgone\nline")

    result = world.call("status")

    assert "\x1b" not in result.stdout
    assert len(result.stdout.splitlines()) == 2


# --- show, logs, fetch ------------------------------------------------------------------------------------------------


def test_show_has_item_and_record(world: World):
    item = world.done({"counts.txt": b"2"})

    body = json.loads(world.call("show", item["run_id"][:10]).stdout)

    assert body["run"]["run_id"] == body["record"]["run_id"] == item["run_id"]


def test_logs_of_a_run_that_has_ended(world: World):
    item = world.done({})

    assert world.call("logs", item["run_id"]).stdout == "said\n"


def test_logs_of_a_run_that_was_refused(world: World):
    item = world.item(State.REJECTED, output_prefix="", reason="the key is too long")

    result = world.call("logs", item["run_id"])

    assert result.exit_code == 3
    assert "the key is too long" in result.stderr


def test_logs_of_a_run_that_has_not_started(world: World):
    item = world.item(State.HELD)

    result = world.call("logs", item["run_id"])

    assert (result.exit_code, result.stdout) == (0, "")
    assert "has printed nothing yet" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("-f",)])
def test_logs_of_a_run_under_way(world: World, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]):
    item = world.item(State.RUNNING, job_id="j-1")
    stream = {"logGroupName": LOGS, "logStreamName": f"lab/wordcount/default/{item['run_id']}"}
    world.logs.create_log_stream(**stream)
    now = int(time.time() * 1000)
    world.logs.put_log_events(**stream, logEvents=[{"timestamp": now, "message": text} for text in ("one", "two")])
    monkeypatch.setattr("dropbatch.cli.live_log.LiveLog._find_stream", lambda self: stream["logStreamName"])
    monkeypatch.setattr("dropbatch.cli.commands.logs._LOOK_SECONDS", 0)
    seen = iter([item, item | {"state": State.SUCCEEDED}])
    monkeypatch.setattr("dropbatch.cli.runs.find", lambda *_: runs.read_item(next(seen)))

    result = world.call("logs", item["run_id"], *arguments)

    assert result.exit_code == 0, result.output
    assert result.stdout == "one\ntwo\n"
    assert ("SUCCEEDED" in result.stderr) is bool(arguments)


@pytest.mark.parametrize("form", ["key", "uri", "name", "run", "prefix", "output"])
def test_fetch_by_any_name(world: World, tmp_path: Path, form: str):
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


def test_fetch_of_a_key_takes_its_newest_run(world: World, tmp_path: Path):
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
    assert "is there already" in result.stderr


def test_fetch_goes_on_where_it_stopped(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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


def test_fetch_to_a_full_disk(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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
    assert result.stderr.startswith(f"Error: {tmp_path}/counts.txt: No space left on device: make room")
    assert len(result.stderr.splitlines()) == 1


def test_fetch_overwrites_only_when_asked(world: World, tmp_path: Path):
    world.done({"counts.txt": b"2"})
    file(tmp_path, "counts.txt", b"precious")

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
    assert "SHA-256 differs" in result.stderr
    assert list((tmp_path / "here").iterdir()) == []


def test_fetch_never_leaves_its_directory(world: World, tmp_path: Path):
    world.done({"../up.txt": b"2"})

    result = world.call("fetch", "notes.txt", str(tmp_path / "here"))

    assert result.exit_code == 1
    assert not (tmp_path / "up.txt").exists()


def test_fetch_of_a_failed_run_says_why(world: World, tmp_path: Path):
    item = world.item(State.FAILED)
    world.publish(item, {}, status="FAILED")

    result = world.call("fetch", item["run_id"], str(tmp_path))

    assert result.exit_code == 3
    assert "program: it broke" in result.stderr


def test_the_head_of_a_result_says_where_it_goes_on(world: World):
    item = world.done({"counts.txt": b"1\n2\n3\n"})
    deployed = Deployed(environment.choose("sandbox"))
    record = results.read_record(deployed, item["output_prefix"])

    assert results.read_head(deployed, record, lines=3) == ["1", "2", "3"]
    assert results.read_head(deployed, record, lines=2) == ["1", "2", "…"]
    assert results.read_head(deployed, {"outputs": []}, lines=2) == []


# --- what a person can get wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "r-ffff"], 3, "has no run r-ffff"),
        (["show", "r-" + "f" * 20], 3, "has no run"),
        (["logs", "zebra"], 2, "is no run id"),
        (["show", "r-"], 2, "is no run id"),
        (["--group", "nope", "status"], 2, "no group named nope: known are lab"),
        (["fetch", "never/dropped/this", "/tmp/x"], 3, "has published anything"),
        (["fetch", "s3://other-bucket/k", "/tmp/x"], 2, "is not a bucket of sandbox"),
        (["fetch", "s3://", "/tmp/x"], 2, "not an s3:// URI"),
        (["nope"], 2, "No such command 'nope'"),
        (["status", "--days", "0"], 2, "Invalid value for '--days'"),
    ],
)
def test_faults_are_told_not_thrown(world: World, arguments: list[str], code: int, words: str):
    result = world.call(*arguments)

    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_an_ambiguous_run_id(world: World):
    for last in "0123":
        world.item(State.HELD, identity="r-" + "a" * 19 + last)

    result = world.call("show", "r-aaa")

    assert result.exit_code == 2
    assert "4 runs begin with r-aaa" in result.stderr


def test_an_environment_that_is_not_deployed(world: World):
    world.ssm.delete_parameter(Name="/dropbatch/sandbox")

    result = world.call("status")

    assert result.exit_code == 3
    assert "no environment named sandbox is deployed" in result.stderr


def test_an_environment_of_another_version(world: World):
    world.describe(version=7)

    result = world.call("status")

    assert result.exit_code == 2
    assert "update dropbatch" in result.stderr


def test_a_choice_must_be_made_where_there_are_several(world: World, tmp_path: Path):
    world.describe(groups=["lab", "other"], pipelines=["one", "two"])

    assert "choose one with --group: lab, other" in world.call("status").stderr
    assert "choose one with --pipeline: one, two" in world.call("--group", "lab", "drop", str(file(tmp_path))).stderr


# --- the sandbox ------------------------------------------------------------------------------------------------------


def test_sandbox_status_and_env(world: World):
    url = world.sandbox.environ()["AWS_ENDPOINT_URL"]

    assert world.call("sandbox", "status").stdout.startswith(f"running at {url}, process ")
    assert f"export AWS_ENDPOINT_URL={url}\n" in world.call("sandbox", "env").stdout
    assert world.call("sandbox", "up").stdout == f"{url}\n"
