"""Commands that follow runs survive a network failure and report it."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from dropbatch.cli import runs
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.environment import choose
from dropbatch.cli.offline import retry_while_offline
from dropbatch.contract.runs import State
from tests.cli.conftest import World

GONE = EndpointConnectionError(endpoint_url="http://dynamodb")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pauses end at once, and count them."""
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("dropbatch.cli.offline.time.sleep", sleep)
    monkeypatch.setattr("dropbatch.cli.offline.time.monotonic", lambda: now[0])


def test_a_returning_network_is_waited_for():
    answers = iter([GONE, GONE, "here"])
    told: list[str] = []

    def look() -> object:
        each = next(answers)
        if isinstance(each, Exception):
            raise each
        return each

    assert retry_while_offline(look, told.append) == "here"
    assert told == [
        "no response for 0.0 s, retrying: check the network; Ctrl-C stops",
        "no response for 3.0 s, retrying: check the network; Ctrl-C stops",
    ]


def test_waiting_for_the_network_ends():
    told: list[str] = []

    def look() -> None:
        raise GONE

    with pytest.raises(EndpointConnectionError):
        retry_while_offline(look, told.append, seconds=60)

    assert 19 <= len(told) <= 21


@pytest.mark.parametrize("error", [ClientError({"Error": {"Code": "AccessDenied"}}, "Query"), KeyError("x")])
def test_other_faults_are_not_retried(error: Exception):
    def look() -> None:
        raise error

    with pytest.raises(type(error)):
        retry_while_offline(look, pytest.fail)


def test_status_watch_survives_a_network_failure(world: World, monkeypatch: pytest.MonkeyPatch):
    world.item(State.RUNNING)
    read, calls = runs.newest, []

    def newest(*arguments: object, **more: object) -> list[runs.Run]:
        calls.append(1)
        if len(calls) == 2:
            raise GONE
        if len(calls) == 4:
            raise KeyboardInterrupt
        return read(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "newest", newest)

    result = world.call("status", "--watch", "--json")

    assert len(result.stdout.splitlines()) == 2
    assert "no response for 0.0 s, retrying" in result.stderr


def test_following_runs_survives_a_network_failure(world: World, monkeypatch: pytest.MonkeyPatch):
    item = world.item(State.SUCCEEDED)
    read, calls = runs.get_many, []

    def get_many(*arguments: object) -> dict[str, runs.Run]:
        calls.append(1)
        if len(calls) < 3:
            raise GONE
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "get_many", get_many)
    told: list[str] = []
    ended = runs.follow(Deployed(choose("sandbox")), "lab", [item["run_id"]], lambda run: None, away=told.append)

    assert ended[item["run_id"]].state is State.SUCCEEDED
    assert len(told) == 2
