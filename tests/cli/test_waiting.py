"""`--wait` of `submit`, `rerun` and `retry`: which runs are followed, until when, and how a refusal is shown."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dropbatch.cli import requests, runs, waiting
from dropbatch.cli.requests import Sent
from dropbatch.contract import keys
from dropbatch.contract.runs import State, run_id
from tests.cli.conftest import INPUT, World

PUT = requests.put


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Sent], None]], None]:
    """Carry out requests, as the arrival function does."""

    def by(doing: Callable[[Sent], None]) -> None:
        def put(*arguments: Any) -> Sent:
            sent = PUT(*arguments)
            doing(sent)
            return sent

        monkeypatch.setattr(requests, "put", put)

    return by


def refuse(world: World, sent: Sent, reason: str) -> None:
    identity = run_id(group="lab", pipeline="submissions", bucket=INPUT, key=sent.key, version_id=sent.version_id)
    world.item(
        State.REJECTED,
        identity=identity,
        input=keys.uri(INPUT, sent.key),
        pipeline="submissions",
        request=sent.key,
        reason=reason,
        minutes_ago=0,
    )


def test_submit_follows_the_runs_of_its_request(world: World, carried_out: Any):
    world.s3.put_object(Bucket=INPUT, Key="lab/inputs/1.txt", Body=b"x")
    world.item(State.FAILED, name="of another request.txt", request="lab/submissions/other-submit.json")
    carried_out(
        lambda sent: [world.item(State.SUCCEEDED, request=sent.key, parameters={"k": k}, minutes_ago=0) for k in "12"]
    )

    result = world.call("submit", "--inputs", "inputs/1.txt", "--param", "k=1,2", "--yes", "--wait", "--json")

    assert result.exit_code == 0, result.output
    assert [each["state"] for each in json.loads(result.stdout)["ended"]] == ["SUCCEEDED"] * 2
    assert "notes.txt [k=1]" in result.stderr


def test_retry_waits_for_the_attempt_it_requested(world: World, carried_out: Any, monkeypatch: pytest.MonkeyPatch):
    item = world.item(State.FAILED, attempt=1, reason="the first attempt")
    looks = iter([State.FAILED, State.HELD, State.SUCCEEDED])

    def sleep(_: float) -> None:
        state = next(looks)
        world.item(state, identity=item["run_id"], attempt=1 if state is State.FAILED else 2)

    monkeypatch.setattr("dropbatch.cli.runs.time.sleep", sleep)

    result = world.call("retry", item["run_id"], "--yes", "--wait")

    assert result.exit_code == 0, result.output
    assert "FAILED" not in result.stderr
    assert "SUCCEEDED" in result.stderr


def test_rerun_follows_new_runs_and_fails_with_them(world: World, carried_out: Any):
    old = world.item(State.SUCCEEDED, version_id="v1", parameters={})

    def again(sent: Sent) -> None:
        (identity,) = waiting.rerun_ids([runs.read_item(old)], sent).values()
        world.item(State.FAILED, identity=identity, reason="the program ended with 3")

    carried_out(again)

    result = world.call("rerun", old["run_id"], "--yes", "--wait")

    assert result.exit_code == 1
    assert "FAILED: the program ended with 3; see `dropbatch logs r-" in result.stderr
    assert old["run_id"] not in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["submit", "retry", "rerun"])
def test_a_refused_request_ends_the_waiting(
    world: World, carried_out: Any, monkeypatch: pytest.MonkeyPatch, command: str
):
    world.s3.put_object(Bucket=INPUT, Key="lab/inputs/1.txt", Body=b"x")
    item = world.item(State.FAILED, version_id="v1", parameters={})
    carried_out(lambda sent: refuse(world, sent, "inputs: come to 20000 runs"))
    ticks = iter(range(0, 1000, 2))
    monkeypatch.setattr("dropbatch.cli.runs.time.monotonic", lambda: next(ticks))
    # Several runs: the refusal, which names the same request, is not mistaken for one of them.
    named = ["--inputs", "inputs/1.txt", "--param", "k=1,2"] if command == "submit" else [item["run_id"]]

    result = world.call(command, *named, "--yes", "--wait")

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "Error: the request was refused: inputs: come to 20000 runs"


@pytest.mark.parametrize("command", ["submit", "rerun"])
def test_ctrl_c_does_not_end_the_runs(world: World, monkeypatch: pytest.MonkeyPatch, command: str):
    world.s3.put_object(Bucket=INPUT, Key="lab/inputs/1.txt", Body=b"x")
    item = world.item(State.SUCCEEDED, version_id="v1", parameters={})
    named = ["--inputs", "inputs/1.txt"] if command == "submit" else [item["run_id"]]

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "get_many" if command == "rerun" else "of_request", interrupted)
    if command == "rerun":
        monkeypatch.setattr("dropbatch.cli.selection.runs.find", lambda *_, **__: runs.read_item(item))

    result = world.call(command, *named, "--yes", "--wait")

    assert result.exit_code == 1  # click's runner; `main` makes it 130
    assert "the runs continue" in result.stderr


def test_missing_files_cannot_be_waited_for(world: World):
    result = world.call("submit", "--missing", "--wait", "--yes")

    assert result.exit_code == 2
    assert "dropbatch status --watch" in result.stderr


def test_waiting_during_a_pause_says_so(world: World, monkeypatch: pytest.MonkeyPatch):
    item = world.item(State.FAILED, attempt=1)
    world.pause(reason="prices")
    monkeypatch.setattr(waiting, "_STILL_SECONDS", 0)
    looks = []

    def sleep(_: float) -> None:
        looks.append(1)
        if len(looks) == 3:
            world.item(State.SUCCEEDED, identity=item["run_id"], attempt=2)

    monkeypatch.setattr("dropbatch.cli.runs.time.sleep", sleep)

    result = world.call("retry", item["run_id"], "--yes", "--wait")

    assert result.exit_code == 0, result.output
    told = [line for line in result.stderr.splitlines() if "sandbox is paused 2 h ago by operator: prices; " in line]
    assert len(told) == 1
