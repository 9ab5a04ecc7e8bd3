"""`submit`, `rerun`, `retry`, `cancel`: their output, their questions, and the request they upload."""

import json
from pathlib import Path

import pytest

from dropbatch.cli import requests
from dropbatch.contract.runs import State
from lambdas.arrival.requests.actions import read_runs
from tests.cli.conftest import INPUT, World
from tests.cli.deployment_content import asked


def put(world: World, *keys: str) -> None:
    for key in keys:
        world.s3.put_object(Bucket=INPUT, Key=key, Body=b"x")


# --- submit -----------------------------------------------------------------------------------------------------------


def test_submit_combines_inputs_and_parameters(world: World):
    put(world, "lab/inputs/1.txt", "lab/inputs/2.txt", "lab/inputs/deep/3.txt", "lab/inputs/4.dat")

    result = world.call("submit", "--inputs", "inputs/*.txt", "--param", "k=1,2,4", "--param", r"s=a\,b", "--yes")

    assert result.exit_code == 0, result.output
    assert "start 6 runs of wordcount: 2 inputs × 3 combinations of parameters" in result.stderr
    assert asked(world) == [
        (
            "submit",
            {
                "pipeline": "wordcount",
                "inputs": ["lab/inputs/*.txt"],
                "parameters": {"k": ["1", "2", "4"], "s": ["a,b"]},
            },
        )
    ]
    assert result.stdout.startswith(f"s3://{INPUT}/lab/submissions/")


def test_a_dry_run_says_would_and_uploads_nothing(world: World):
    put(world, "lab/inputs/1.txt")

    result = world.call("submit", "--inputs", "inputs/1.txt", "--memory-mib", "600", "--dry-run", "--json")

    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("Would start 1 run of wordcount")
    body = json.loads(result.stdout)
    assert body["request"] is None
    assert body["body"]["overrides"] == {"memory_mib": 600}
    assert asked(world) == []


def test_the_worst_case_of_several_pipelines_is_one_sum(world: World):
    world.describe(pipelines=["align", "wordcount"], needs={"align": [4, 2048, 60, 1], "wordcount": [1, 1024, 60, 2]})
    for pipeline, overrides in (("align", {}), ("wordcount", {}), ("wordcount", {"vcpus": 2, "timeout_minutes": 30})):
        world.item(State.FAILED, pipeline=pipeline, overrides=overrides)

    result = world.call("retry", "--all", "--dry-run")

    assert result.stderr.count("at worst") == 1
    assert "at worst 8.0 vCPU-hours, 5.0 GiB-hours, cost unknown" in result.stderr  # 4 + 2 + 2; 2 + 2 + 1


def test_the_worst_case_follows_from_needs_and_prices(world: World):
    put(world, "lab/inputs/1.txt", "lab/inputs/2.txt")
    prices = {"spot": [0.01, 0.001], "ondemand": [0.04, 0.004]}
    pools = {name: f"dropbatch-sandbox-{name}" for name in prices}
    world.describe(prices=prices, pools=pools, needs={"wordcount": [2, 1024, 10, 3]})

    result = world.call("submit", "--inputs", "inputs/", "--inputs", "inputs/1.txt", "--dry-run", "--json")

    # 2 inputs (a folder, a file) × 3 tries × 10 min × 2 vCPU, at the dearer pool's prices
    assert json.loads(result.stdout)["worst"] == pytest.approx({"vcpu_hours": 2.0, "gib_hours": 1.0, "usd": 0.084})
    world.describe(prices={"spot": prices["spot"]}, pools=pools, needs={"wordcount": [2, 1024, 10, 3]})
    one_unknown = world.call("submit", "--inputs", "inputs/", "--dry-run")
    assert "at worst 1.0 vCPU-hours, 0.5 GiB-hours, cost unknown: not all pools have prices" in one_unknown.stderr


@pytest.mark.parametrize(
    ("overrides", "vcpu_hours"),
    [({"vcpus": 4, "timeout_minutes": 30}, 6.0), ({"vcpus": "two"}, 1.0), (["vcpus"], 1.0), ({"vcpus": True}, 1.0)],
)
def test_numeric_overrides_count_in_the_worst_case(world: World, tmp_path: Path, overrides: object, vcpu_hours: float):
    put(world, "lab/inputs/1.txt")
    world.describe(needs={"wordcount": [2, 1024, 10, 3]})
    (tmp_path / "r.json").write_text(json.dumps({"inputs": ["lab/inputs/1.txt"], "overrides": overrides}))

    result = world.call("submit", str(tmp_path / "r.json"), "--dry-run", "--json")

    assert json.loads(result.stdout)["worst"]["vcpu_hours"] == vcpu_hours


def test_submit_uploads_a_request_file(world: World, tmp_path: Path):
    put(world, "lab/inputs/1.txt")
    (tmp_path / "r.toml").write_text('inputs = "lab/inputs/1.txt"\n[parameters]\nk = [1, 2]\n')

    result = world.call("submit", str(tmp_path / "r.toml"), "--yes")

    assert result.exit_code == 0, result.output
    assert asked(world) == [("submit", {"inputs": "lab/inputs/1.txt", "parameters": {"k": [1, 2]}})]


def test_submit_missing_requests_a_backfill(world: World):
    put(world, "lab/wordcount/1.txt", "lab/wordcount/2.txt")

    result = world.call("submit", "--missing", "--yes")

    assert "check 2 files below lab/wordcount/" in result.stderr
    assert asked(world) == [("backfill", {"prefix": "lab/wordcount/"})]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "in one way"),
        (["--inputs", "x", "--missing"], 2, "in one way"),
        (["{dir}/none.json"], 3, "is not a file"),
        (["{dir}/bad.json"], 2, "correct it there"),
        (["{dir}/list.json"], 2, "must contain a JSON object"),
        (["{dir}/list.json", "--param", "k=1"], 2, "takes no further options"),
        (["--inputs", "inputs/none.txt"], 3, "matches no object"),
        (["--inputs", "inputs/1.txt", "--param", "k"], 2, "write it as name=value"),
        (["--inputs", "inputs/1.txt", "--param", "k=1", "--param", "k=2"], 2, "is given twice"),
        (["--inputs", "inputs/1.txt", "--pipeline", "wordcuont"], 2, "known are wordcount"),
        (["--inputs", "inputs/1.txt", "--prefix", "lab/"], 2, "--prefix needs --missing"),
        (["--inputs", "inputs/1.txt"], 2, "add --yes"),
    ],
)
def test_an_invalid_submission_is_refused(world: World, tmp_path: Path, arguments: list[str], code: int, words: str):
    put(world, "lab/inputs/1.txt")
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")

    result = world.call("submit", *(each.format(dir=tmp_path) for each in arguments))

    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert asked(world) == []


# --- retry, rerun, cancel ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "state"), [("retry", State.FAILED), ("rerun", State.SUCCEEDED), ("cancel", State.RUNNING)]
)
def test_requests_may_name_runs(world: World, kind: str, state: State):
    item = world.item(state)

    dry = world.call(kind, item["run_id"][:8], "--dry-run")
    nobody = world.call(kind, item["run_id"])
    before = asked(world)
    done = world.call(kind, item["run_id"], "--yes", "--json")

    assert dry.stderr.startswith(f"Would {kind} 1 run ({item['run_id'][:12]})")
    assert dry.stdout == item["run_id"] + "\n"
    assert (nobody.exit_code, before) == (2, [])
    ((put_kind, body),) = asked(world)
    assert put_kind == kind
    assert [each.run_id for each in read_runs(body, limit=10)] == [item["run_id"]]
    assert json.loads(done.stdout).keys() == {"request", "kind", "runs"}


def test_all_selects_the_runs_to_which_the_command_applies(world: World):
    wanted = {world.item(state)["run_id"] for state in (State.FAILED, State.CANCELLED)}
    wanted.add(world.item(State.REJECTED, over_limit="2026-01", reason="over the monthly limit")["run_id"])
    world.item(State.REJECTED, reason="the key is too long")
    world.item(State.SUCCEEDED)
    world.item(State.FAILED, minutes_ago=60 * 24 * 30)

    result = world.call("retry", "--all", "--yes")

    assert result.exit_code == 0, result.output
    ((_, body),) = asked(world)
    assert set(body["runs"]) == wanted


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["retry"], 2, "name runs, or give --all"),
        (["retry", "--all"], 3, "is FAILED, CANCELLED"),
        (["retry", "{done}"], 2, "`dropbatch rerun`"),
        (["cancel", "{done}"], 2, "has ended already"),
        (["rerun", "{refused}"], 2, "fix the file and drop it again"),
        (["rerun", "r-0000"], 3, "has no run r-0000"),
    ],
)
def test_runs_to_which_the_command_does_not_apply_are_refused(
    world: World, arguments: list[str], code: int, words: str
):
    ids = {"done": world.item(State.SUCCEEDED)["run_id"], "refused": world.item(State.REJECTED)["run_id"]}

    result = world.call(*(each.format(**ids) for each in arguments), "--yes")

    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 1)])
def test_a_request_needs_confirmation(world: World, monkeypatch: pytest.MonkeyPatch, answer: bool, code: int):
    item = world.item(State.RUNNING)
    monkeypatch.setattr("dropbatch.cli.confirmation.is_interactive", lambda: True)
    monkeypatch.setattr("dropbatch.cli.confirmation.click.confirm", lambda *_, **__: answer)

    result = world.call("cancel", item["run_id"])

    assert result.exit_code == code
    assert len(asked(world)) == int(answer)


def test_request_files_have_names_that_the_function_recognises():
    assert requests.grid({"parameters": {"a": [1, 1, 2], "b": "x"}}) == 2


def test_a_file_name_means_the_run_to_which_the_command_applies(world: World):
    failed = world.item(State.FAILED, minutes_ago=9)
    good = world.item(State.SUCCEEDED, minutes_ago=5)
    world.item(State.REJECTED, minutes_ago=1, pipeline="other")

    for command, run in (("rerun", good), ("retry", failed)):
        assert world.call(command, "notes.txt", "--dry-run").stdout == f"{run['run_id']}\n"
    assert "is REJECTED, `cancel` does not apply" in world.call("cancel", "notes.txt", "--dry-run").stderr
