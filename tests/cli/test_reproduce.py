"""`reproduce`: the request it uploads, and how it compares two results."""

import json
from threading import Thread
from typing import Any

import pytest

from dropbatch.cli.runs import FULL_ID
from dropbatch.contract import keys
from dropbatch.contract.runs import State, run_id
from tests.cli.conftest import INPUT, World
from tests.cli.deployment_content import DEFINITION, asked, done


def test_reproduce_requests_a_run_of_the_same_revision(world: World):
    item = done(world, {"counts.txt": b"7"})

    result = world.call("reproduce", item["run_id"], "--yes")

    assert result.exit_code == 0, result.output
    assert asked(world) == [("reproduce", {"runs": [item["run_id"]]})]
    assert FULL_ID.fullmatch(result.stdout.strip())
    assert f"requested: repeat {item['run_id']} with {DEFINITION}; at worst" in result.stderr


def test_a_dry_run_uploads_nothing_and_names_overwritten_files(world: World):
    elsewhere = {"uri": "s3://cli-output/lab/wordcount/all.csv", "size": 1, "sha256": "e" * 64}
    item = done(world, {}, outputs=[elsewhere])

    result = world.call("reproduce", item["run_id"], "--dry-run", "--json")

    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(f"Would repeat {item['run_id']} with {DEFINITION}")
    assert "overwrites s3://cli-output/lab/wordcount/all.csv" in result.stderr
    assert json.loads(result.stdout) == {"run": item["run_id"], "job_definition": DEFINITION, "request": None}
    assert asked(world) == []


def test_equal_results_are_identical(world: World):
    one, other = (done(world, {"counts.txt": b"7", "deep/x": b"y"}) for _ in range(2))

    result = world.call("reproduce", one["run_id"], "--with", other["run_id"])

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["identical  counts.txt", "identical  deep/x"]
    assert "identical: 2 of 2 files have the same checksum" in result.stderr


def test_different_results_are_listed_by_file_and_by_exit_code(world: World):
    one = done(world, {"counts.txt": b"7", "time.txt": b"noon", "gone": b""})
    other = done(world, {"counts.txt": b"7", "time.txt": b"later", "more": b""}, image="another")

    result = world.call("reproduce", one["run_id"], "--with", other["run_id"])
    plain = world.call("reproduce", one["run_id"], "--with", other["run_id"], "--json")

    assert result.exit_code == plain.exit_code == 6
    assert result.stdout.splitlines() == [
        "identical  counts.txt",
        "different  time.txt  (4 B before, 5 B now)",
        "missing    gone",
        "new        more",
    ]
    assert f"{one['run_id']} was not reproduced: different: time.txt; missing: gone; new: more" in result.stderr
    body = json.loads(plain.stdout)
    assert (body["identical"], body["image_changed"], body["reproduction"]) == (False, True, other["run_id"])
    assert {"name": "time.txt", "verdict": "different"} in body["files"]


def test_an_input_without_its_version_is_named(world: World):
    one = done(world, {"a": b"a"})
    genome = {"uri": "s3://refs/genome", "size": 3, "sha256": "bb", "version_id": ""}
    own = {"uri": one["input"], "size": 3, "sha256": "aa", "version_id": "v1"}
    other = done(world, {"a": b"a"}, inputs=[own, genome])

    result = world.call("reproduce", one["run_id"], "--with", other["run_id"])

    assert result.exit_code == 0
    assert "note: the input s3://refs/genome changed" in result.stderr


def test_waiting_compares_with_the_run_that_the_request_starts(world: World):
    item = done(world, {"counts.txt": b"7"})

    def make_again() -> None:
        """Do what the functions would do."""
        while not (listed := world.s3.list_objects_v2(Bucket=INPUT, Prefix="lab/submissions/").get("Contents")):
            pass
        version = world.s3.head_object(Bucket=INPUT, Key=listed[0]["Key"])["VersionId"]
        bucket, key = keys.split_uri(item["input"])
        mark = f"{listed[0]['Key']}@{version}#{item['run_id']}"
        identity = run_id(
            group="lab", pipeline="wordcount", bucket=bucket, key=key, version_id="v1", parameters={}, request_id=mark
        )
        done(world, {"counts.txt": b"8"}, identity=identity)

    thread = Thread(target=make_again)
    thread.start()
    result = world.call("reproduce", item["run_id"], "--wait", "--yes")
    thread.join()

    assert result.exit_code == 6, result.output
    assert result.stdout == "different  counts.txt  (1 B before, 1 B now)\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"job_definition": None}, "names no job definition"), ({"inputs": [], "input": ""}, "names no input")],
)
def test_a_run_that_pins_too_little_is_refused_before_any_question(world: World, changes: Any, words: str):
    item = done(world, {}, **changes)

    result = world.call("reproduce", item["run_id"], "--yes")

    assert result.exit_code == 1
    assert words in result.stderr
    assert asked(world) == []


def test_only_a_successful_run_can_be_compared(world: World):
    failed, fine = world.item(State.FAILED), done(world, {})

    for arguments in ((failed["run_id"],), (fine["run_id"], "--with", failed["run_id"])):
        result = world.call("reproduce", *arguments)

        assert result.exit_code in {1, 2}
        assert f"{failed['run_id']} " in result.stderr


def test_comparing_starts_nothing(world: World):
    result = world.call("reproduce", "r-1", "--with", "r-2", "--wait")

    assert result.exit_code == 2
    assert "leave out --wait and --dry-run" in result.stderr
