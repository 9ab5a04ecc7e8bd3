"""Usage errors and their messages."""

import json
from pathlib import Path

import pytest

from dropbatch.contract.runs import State
from tests.cli.conftest import World, a_file


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "r-ffff"], 3, "has no run r-ffff"),
        (["show", "r-" + "f" * 20], 3, "has no run"),
        (["logs", "zebra"], 3, "neither a file that group lab dropped"),
        (["show", "r-"], 2, "is not a run id"),
        (["--group", "nope", "status"], 2, "no group named nope: known are lab"),
        (["fetch", "never/dropped/this", "here"], 3, "has published results"),
        (["fetch", "s3://other-bucket/k", "here"], 2, "is not a bucket of sandbox"),
        (["fetch", "s3://", "here"], 2, "not an s3:// URI"),
        (["nope"], 2, "No such command 'nope'"),
        (["status", "--days", "0"], 2, "Invalid value for '--days'"),
    ],
)
def test_faults_are_printed_without_a_traceback(world: World, arguments: list[str], code: int, words: str):
    result = world.call(*arguments)

    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_an_ambiguous_run_id_lists_the_candidates(world: World):
    for last in "0123":
        world.item(State.HELD, identity="r-" + "a" * 19 + last)

    result = world.call("show", "r-aaa")

    assert result.exit_code == 2
    assert "4 runs begin with r-aaa" in result.stderr


@pytest.mark.parametrize("text", ["abba", "s3://cli-input/lab/wordcount/abba", "lab/wordcount/abba"])
def test_a_file_whose_name_looks_like_an_id_is_found(world: World, text: str):
    world.item(State.SUCCEEDED, name="abba", minutes_ago=9)
    newest = world.item(State.SUCCEEDED, name="abba", minutes_ago=1)
    world.item(State.SUCCEEDED, name="not-abba")

    assert json.loads(world.call("show", text).stdout)["run"]["run_id"] == newest["run_id"]


def test_a_mistyped_file_is_explained(world: World):
    world.item(State.SUCCEEDED, name="scans/notes.txt")

    result = world.call("logs", "scans/nots.txt")

    assert result.exit_code == 3
    assert "did you mean 'scans/notes.txt'? see `dropbatch status`" in result.stderr


def test_an_environment_that_is_not_deployed_is_explained(world: World):
    world.ssm.delete_parameter(Name="/dropbatch/sandbox")

    result = world.call("status")

    assert result.exit_code == 3
    assert "no environment named sandbox is deployed" in result.stderr


def test_an_environment_of_another_version_is_explained(world: World):
    world.describe(version=7)

    result = world.call("status")

    assert result.exit_code == 2
    assert "update dropbatch" in result.stderr


def test_an_ambiguous_choice_must_be_made(world: World, tmp_path: Path):
    world.describe(groups=["lab", "other"], pipelines=["one", "two"])

    assert "choose one with --group: lab, other" in world.call("status").stderr
    assert "choose one with --pipeline: one, two" in world.call("--group", "lab", "drop", str(a_file(tmp_path))).stderr


def test_sandbox_commands_describe_the_running_sandbox(world: World):
    url = world.sandbox.environ()["AWS_ENDPOINT_URL"]

    assert world.call("sandbox", "status").stdout.startswith(f"running at {url}, process ")
    assert f"export AWS_ENDPOINT_URL={url}\n" in world.call("sandbox", "env").stdout
    assert world.call("sandbox", "up").stdout == f"{url}\n"
