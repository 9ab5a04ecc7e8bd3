"""A run as an RO-Crate."""

import json
from pathlib import Path
from typing import Any

from dropbatch.cli.ro_crate import PROFILE, write_crate

RECORD: dict[str, Any] = {
    "status": "SUCCEEDED",
    "run_id": "r-1",
    "attempt": 1,
    "group": "lab",
    "pipeline": "wordcount",
    "inputs": [{"uri": "s3://in/lab/wordcount/a.txt", "size": 3, "sha256": "a" * 64, "version_id": "v1"}],
    "config": {"uri": "s3://in/lab/configs/c.toml", "size": 1, "sha256": "b" * 64, "version_id": "v2"},
    "outputs": [{"uri": "s3://out/lab/wordcount/a.txt/r-1/counts.txt", "size": 5, "sha256": "c" * 64}],
    "parameters": {"k": "1"},
    "command": ["wordcount", "/tmp/a.txt"],
    "reason": None,
    "started_at": "2026-01-01T00:00:00.000Z",
    "stopped_at": "2026-01-01T00:00:01.000Z",
    "image": "repo:wordcount-1",
    "job_definition": "dropbatch-x-wordcount-lab:3",
    "git_commit": "abc",
}


def entities(path: Path) -> dict[str, dict[str, Any]]:
    return {each["@id"]: each for each in json.loads(path.read_text())["@graph"]}


def ids(value: Any) -> list[str]:
    return [each["@id"] for each in (value if isinstance(value, list) else [value])]


def test_a_run_is_an_action_with_what_went_in_and_came_out(tmp_path: Path):
    found = entities(write_crate(RECORD, tmp_path / "crate"))

    assert found["./"]["conformsTo"] == {"@id": PROFILE}
    action = found["#r-1"]
    assert action["@type"] == "CreateAction"
    assert ids(action["object"]) == [RECORD["inputs"][0]["uri"], RECORD["config"]["uri"], "#parameter-k"]
    assert ids(action["result"]) == [RECORD["outputs"][0]["uri"]]
    assert found[ids(action["instrument"])[0]]["version"] == RECORD["job_definition"]
    assert found[ids(action["containerImage"])[0]]["name"] == RECORD["image"]
    assert found[RECORD["inputs"][0]["uri"]]["sha256"] == "a" * 64
    assert action["actionStatus"]["@id"].endswith("CompletedActionStatus")


def test_fetched_results_travel_in_the_crate(tmp_path: Path):
    copy = tmp_path / "counts.txt"
    copy.write_text("count")

    path = write_crate(RECORD, tmp_path / "crate", fetched={RECORD["outputs"][0]["uri"]: copy})

    assert (tmp_path / "crate/results/counts.txt").read_text() == "count"
    assert entities(path)["results/counts.txt"]["alternateName"] == RECORD["outputs"][0]["uri"]


def test_a_failed_run_says_why(tmp_path: Path):
    failed = RECORD | {"status": "FAILED", "reason": "sh ended with exit code 3", "outputs": []}

    action = entities(write_crate(failed, tmp_path / "crate"))["#r-1"]

    assert action["error"] == "sh ended with exit code 3"
    assert action["actionStatus"]["@id"].endswith("FailedActionStatus")
