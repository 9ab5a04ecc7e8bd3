"""Jobs that Batch refuses, as the commands show them."""

import json

import click
import pytest

from dropbatch.cli import waiting
from dropbatch.contract.runs import State
from tests.cli.conftest import World

WORDS = "ClientException: Either schedulingPriority in job definition or schedulingPriorityOverride is required"


def test_status_counts_refused_runs_and_gives_each_reason(world: World):
    waits = world.item(State.HELD, name="waits.txt", job_name="job-1")
    world.item(State.HELD, name="other.txt", job_name="job-2")
    world.item(State.SUCCEEDED, name="done.txt", job_name="job-1")
    world.refused("job-1", runs=120, reason=WORDS)
    world.refused("job-0", runs=1, reason="earlier", minutes_left=5)

    result = world.call("status")
    body = json.loads(world.call("status", "--json").stdout)

    _, refused, kept, *_ = result.stderr.splitlines()
    assert refused == f"Batch refuses 2 jobs with 121 runs, first 2 h ago: {WORDS}"
    assert kept.startswith("no run is lost: they start once operators have removed the cause")
    rows = {line.split()[3]: line for line in result.stdout.splitlines()[1:]}
    assert rows["waits.txt"].endswith(f"Batch refused its job 3 min ago, first 2 h ago: {WORDS}")
    assert "refused" not in rows["other.txt"] + rows["done.txt"]
    assert [each["job_name"] for each in body["refused"]] == ["job-0", "job-1"]
    assert body["refused"][1].keys() == {"job_name", "group", "pipeline", "runs", "reason", "since", "at"}
    reasons = {each["run_id"]: each["reason"] for each in body["runs"]}
    assert WORDS in reasons.pop(waits["run_id"])
    assert set(reasons.values()) == {""}


def test_refusals_of_others_and_past_ones_are_not_shown(world: World):
    world.describe(pipelines=["align", "wordcount"], groups=["hub", "lab"])
    world.item(State.HELD, job_name="job-1")
    world.refused("job-1", minutes_left=-1)
    world.refused("job-2", group="hub")

    assert "refuse" not in world.call("--group", "lab", "status").output
    assert "Batch refuses 1 job " in world.call("--group", "hub", "status", "--pipeline", "wordcount").stderr
    assert "refuse" not in world.call("--group", "hub", "status", "--pipeline", "align").output


def test_show_gives_the_reason_of_a_held_run(world: World, monkeypatch: pytest.MonkeyPatch):
    item = world.item(State.HELD, job_name="job-1", pool="spot")
    world.refused("job-1", reason=WORDS)

    body = json.loads(world.call("show", item["run_id"]).stdout)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    seen = click.unstyle(world.call("show", item["run_id"]).stdout)

    assert body["refused"]["reason"] == WORDS
    assert f"HELD: Batch refused its job 3 min ago, first 2 h ago: {WORDS}" in seen


def test_show_of_an_accepted_run_mentions_no_refusal(world: World):
    world.refused("job-1")
    started = world.item(State.RUNNING, job_name="job-1")
    waits = world.item(State.HELD, job_name="job-2")

    for item in (started, waits):
        assert json.loads(world.call("show", item["run_id"]).stdout)["refused"] is None


def test_waiting_for_a_refused_run_gives_the_reason(world: World, monkeypatch: pytest.MonkeyPatch):
    item = world.item(State.FAILED, attempt=1)
    world.refused("job-1", reason=WORDS)
    monkeypatch.setattr(waiting, "_REFUSED_SECONDS", 0)
    states = iter([State.HELD, None, None, State.SUCCEEDED])

    def sleep(_: float) -> None:
        if state := next(states):
            world.item(state, identity=item["run_id"], attempt=2, job_name="job-1")

    monkeypatch.setattr("dropbatch.cli.runs.time.sleep", sleep)

    result = world.call("retry", item["run_id"], "--yes", "--wait")

    assert result.exit_code == 0, result.output
    told = [line for line in result.stderr.splitlines() if WORDS in line]
    assert told == [
        f"Batch refused its job 3 min ago, first 2 h ago: {WORDS}: it starts once operators have removed the cause"
    ]


def test_doctor_groups_refused_submissions_by_reason(world: World):
    world.describe(groups=["hub", "lab"])
    world.refused("job-1", runs=2, reason=WORDS)
    world.refused("job-2", group="hub", reason=WORDS)
    world.refused("job-3", reason="AccessDeniedException: not authorized")

    found = [each for each in json.loads(world.call("doctor", "--json").stdout) if each["check"] == "submissions"]

    assert [each["outcome"] for each in found] == ["problem", "problem"]
    assert found[0]["text"] == f"hub/wordcount, lab/wordcount: Batch refuses 2 jobs with 3 runs, first 2 h ago: {WORDS}"
    assert found[1]["text"].startswith("lab/wordcount: Batch refuses 1 job with 1 run")
    assert "the runs then start within minutes" in found[0]["fix"]


def test_doctor_without_refused_submissions_is_fine(world: World):
    found = [each for each in json.loads(world.call("doctor", "--json").stdout) if each["check"] == "submissions"]

    assert [(each["outcome"], each["text"]) for each in found] == [("ok", "Batch refuses no job")]
