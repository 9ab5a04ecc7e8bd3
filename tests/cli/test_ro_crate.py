"""A run as an RO-Crate."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from rocrate.rocrate import ROCrate

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
    "image": "123.dkr.ecr.x.amazonaws.com/dropbatch:w-1",
    "job_definition": "dropbatch-x-wordcount-lab:3",
    "git_commit": "abc",
}


def entities(path: Path) -> dict[str, dict[str, Any]]:
    return {each["@id"]: each for each in json.loads(path.read_text())["@graph"]}


def ids(value: Any) -> list[str]:
    return [each["@id"] for each in (value if isinstance(value, list) else [value])]


def test_a_crate_describes_the_run_as_an_action_with_inputs_and_outputs(tmp_path: Path):
    found = entities(write_crate(RECORD, tmp_path / "crate"))

    assert found["./"]["conformsTo"] == {"@id": PROFILE}
    action = found["#r-1"]
    assert action["@type"] == "CreateAction"
    assert ids(action["object"]) == [RECORD["inputs"][0]["uri"], RECORD["config"]["uri"], "#parameter-k"]
    assert ids(action["result"]) == [RECORD["outputs"][0]["uri"]]
    instrument = found[ids(action["instrument"])[0]]
    assert (instrument["identifier"], instrument["softwareVersion"]) == (RECORD["job_definition"], "abc")
    image = found[ids(action["containerImage"])[0]]
    assert [image[part] for part in ("registry", "name", "tag")] == ["123.dkr.ecr.x.amazonaws.com", "dropbatch", "w-1"]
    assert found[RECORD["inputs"][0]["uri"]]["sha256"] == "a" * 64
    assert action["actionStatus"]["@id"].endswith("CompletedActionStatus")


def test_fetched_results_are_part_of_the_crate(tmp_path: Path):
    outputs = [output("one", "counts ü.txt"), output("two", "counts ü.txt")]
    fetched = {}
    for each in outputs:
        copy = tmp_path / "crate" / "results" / each["uri"].rpartition("r-1/")[2]
        copy.parent.mkdir(parents=True)
        copy.write_text(each["uri"])
        fetched[each["uri"]] = copy

    write_crate(RECORD | {"outputs": outputs}, tmp_path / "crate", fetched=fetched)

    again = ROCrate(tmp_path / "crate")
    results = again.dereference("#r-1")["result"]
    assert [each["alternateName"] for each in results] == [each["uri"] for each in outputs]
    assert [(tmp_path / "crate" / unquote(each.id)).read_text() for each in results] == list(fetched)


def output(folder: str, name: str) -> dict[str, Any]:
    return {"uri": f"s3://out/lab/wordcount/a.txt/r-1/{folder}/{name}", "size": 5, "sha256": "c" * 64}


def test_a_crate_of_a_failed_run_gives_the_reason(tmp_path: Path):
    failed = RECORD | {"status": "FAILED", "reason": "sh ended with exit code 3", "outputs": []}

    action = entities(write_crate(failed, tmp_path / "crate"))["#r-1"]

    assert action["error"] == "sh ended with exit code 3"
    assert action["actionStatus"]["@id"].endswith("FailedActionStatus")
