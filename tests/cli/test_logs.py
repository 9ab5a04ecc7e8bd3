"""`show` and `logs`."""

import json
import time
import uuid

import pytest

from dropbatch.cli import runs
from dropbatch.contract.runs import State
from tests.cli.conftest import LOGS, World


def test_show_prints_item_and_record(world: World):
    item = world.done({"counts.txt": b"2"})

    body = json.loads(world.call("show", item["run_id"][:10]).stdout)

    assert body["run"]["run_id"] == body["record"]["run_id"] == item["run_id"]


def test_logs_of_an_ended_run_are_complete(world: World):
    item = world.done({})

    assert world.call("logs", item["run_id"]).stdout == "said\n"


def test_logs_of_a_refused_run_give_the_reason(world: World):
    item = world.item(State.REJECTED, output_prefix="", reason="the key is too long")

    result = world.call("logs", item["run_id"])

    assert result.exit_code == 3
    assert "the key is too long" in result.stderr


def test_logs_of_an_unstarted_run_say_so(world: World):
    item = world.item(State.HELD)

    result = world.call("logs", item["run_id"])

    assert (result.exit_code, result.stdout) == (0, "")
    assert "has printed nothing yet" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("-f",)])
def test_logs_of_a_running_run_are_shown(world: World, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]):
    stream = {"logGroupName": LOGS, "logStreamName": f"lab/wordcount/default/{uuid.uuid4().hex}"}
    item = world.item(State.RUNNING, job_id="j-1", log_stream=stream["logStreamName"])
    world.logs.create_log_stream(**stream)
    now = int(time.time() * 1000)
    world.logs.put_log_events(**stream, logEvents=[{"timestamp": now, "message": text} for text in ("one", "two")])
    monkeypatch.setattr("dropbatch.cli.commands.logs._POLL_SECONDS", 0)
    seen = iter([item, item | {"state": State.SUCCEEDED}])
    monkeypatch.setattr("dropbatch.cli.runs.find", lambda *_: runs.read_item(next(seen)))

    result = world.call("logs", item["run_id"], *arguments)

    assert result.exit_code == 0, result.output
    assert result.stdout == "one\ntwo\n"
    assert ("SUCCEEDED" in result.stderr) is bool(arguments)
