"""`status`: runs listed, counts and estimates."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from dropbatch.contract import keys, ledger
from dropbatch.contract.runs import State
from tests.cli.conftest import INPUT, World, a_file


def test_status_lists_the_newest_run_first(world: World):
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


@pytest.mark.parametrize(
    "ages",
    [
        pytest.param(lambda number: number / 10, id="evenly"),
        pytest.param(lambda number: 5 + 50 * (number == 0), id="nearly all late"),
        pytest.param(lambda number: 60 - 50 * (number == 0), id="nearly all early"),
        pytest.param(lambda number: number // 50, id="in three heaps"),
    ],
)
def test_a_day_of_several_pages_is_counted_completely_and_once(
    world: World, monkeypatch: pytest.MonkeyPatch, ages: Callable[[int], float]
):
    for number in range(150):
        world.item(State.HELD if number % 3 else State.SUCCEEDED, name=f"{number}.txt", minutes_ago=ages(number))
    ask, pages = BaseClient._make_api_call, []  # type: ignore[attr-defined]

    def a_few_at_a_time(self: BaseClient, operation_name: str, api_params: dict[str, Any]) -> Any:
        if operation_name == "Query":
            api_params = {"Limit": 7, **api_params}
            pages.append(api_params)
        return ask(self, operation_name, api_params)

    monkeypatch.setattr(BaseClient, "_make_api_call", a_few_at_a_time)

    result = world.call("status", "--days", "2", "--limit", "0")

    assert result.stderr.startswith("sandbox/lab: 150 runs in the last 2 days: 100 HELD, 50 SUCCEEDED")
    assert len(pages) > 150 / 7


def test_status_since_a_time_omits_older_runs(world: World):
    world.item(State.SUCCEEDED, name="new.txt", minutes_ago=5)
    world.item(State.SUCCEEDED, name="old.txt", minutes_ago=90)

    result = world.call("status", "--since", "1h")

    assert [line.split()[3] for line in result.stdout.splitlines()[1:]] == ["new.txt"]
    assert result.stderr.startswith("sandbox/lab: 1 run since 1h: 1 SUCCEEDED")
    assert "2026-01-31" in world.call("status", "--since", "yesterday").stderr


def test_status_of_one_pipeline_omits_others(world: World):
    world.describe(pipelines=["align", "wordcount"])
    world.item(State.SUCCEEDED, name="w.txt")
    world.item(State.FAILED, name="a.txt", pipeline="align")

    result = world.call("status", "--pipeline", "align")

    assert "1 FAILED" in result.stderr
    assert "w.txt" not in result.stdout


def test_status_estimates_the_time_of_the_end(world: World):
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


def test_status_without_runs_says_so(world: World):
    result = world.call("status")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "dropbatch drop" in result.stderr


def test_files_of_no_group_can_be_listed(world: World, tmp_path: Path):
    world.item(
        State.REJECTED, group=keys.SYSTEM_GROUP, input=f"s3://{INPUT}/stray.txt", reason="the file lies at the root"
    )

    assert "stray.txt" in world.call("--group", "_system", "status").stdout
    assert world.call("--group", "_system", "drop", str(a_file(tmp_path))).exit_code == 2


def test_status_prints_json(world: World):
    world.item(State.FAILED, reason="why")

    body = json.loads(world.call("status", "--json").stdout)

    assert body["counts"]["FAILED"] == 1
    assert body["runs"][0]["reason"] == "why"


def test_a_name_with_control_characters_does_not_reach_the_terminal(world: World):
    world.item(State.SUCCEEDED, name="\x1b[2Jgone\nline")

    result = world.call("status")

    assert "\x1b" not in result.stdout
    assert len(result.stdout.splitlines()) == 2


def test_a_running_run_shows_its_duration(world: World):
    began = ledger.timestamp(datetime.now(UTC) - timedelta(minutes=3))
    world.item(State.RUNNING, started_at=began)

    assert re.search(r"3 min 0\d s …$", world.call("status").stdout, re.MULTILINE)


def test_a_pause_is_shown_to_everybody(world: World):
    world.item(State.SUCCEEDED)
    world.item(State.HELD)
    world.pause(by="budget", reason="100 % of 50 USD\x1b[2J")

    said = world.call("status").stderr
    body = json.loads(world.call("status", "--json").stdout)

    first, second = said.splitlines()
    assert "1 HELD" in first
    assert "at this rate" not in first  # nothing starts during a pause
    assert second.startswith("paused 2 h ago by budget: 100 % of 50 USD\N{REPLACEMENT CHARACTER}[2J; nothing starts")
    assert "`dropbatch resume`" in second
    assert body["paused"].keys() == {"since", "by", "reason"}
    assert body["estimated_end"] is None


def test_without_the_right_to_read_the_pause_the_rest_is_shown(world: World, monkeypatch: pytest.MonkeyPatch):
    world.item(State.HELD)
    world.pause()
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def denied(self: Any, operation_name: str, kwargs: dict[str, Any]) -> Any:
        if operation_name == "GetItem":
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, operation_name)
        return call(self, operation_name, kwargs)

    monkeypatch.setattr(BaseClient, "_make_api_call", denied)

    result = world.call("status", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paused"] is None
