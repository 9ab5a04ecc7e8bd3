"""Folders as inputs, through the real Terraform, the real provider and IAM."""

import json
from typing import Any

import pytest

from tests.e2e.lab import Lab, until

pytestmark = pytest.mark.e2e

FOLDER = "lab/folders/scan 1/"


def put(lab: Lab, name: str, body: bytes) -> str:
    """Put an object into the folder; return its version."""
    answer = lab.s3.put_object(Bucket=lab.pointers["input_bucket"], Key=FOLDER + name, Body=body)
    return str(answer["VersionId"])


def runs_of(lab: Lab) -> list[dict[str, Any]]:
    return [run for run in lab.runs() if run["pipeline"] == "folders"]


def read(lab: Lab, run: dict[str, Any]) -> dict[str, str]:
    """Return the versions that a run read, by name."""
    start = f"s3://{lab.pointers['input_bucket']}/{FOLDER}"
    return {each["uri"].removeprefix(start): each["version_id"] for each in lab.record(run)["inputs"]}


def test_a_folder_is_one_run_and_a_rerun_reads_the_same_folder(lab: Lab) -> None:
    # Given files that start nothing by themselves
    versions = {name: put(lab, name, name.encode()) for name in ("a.txt", "b.txt", "deep/c.txt")}
    after = lab.drop("lab/wordcount/after-the-folder.txt", b"word\n")
    lab.ended(after)
    assert not runs_of(lab)

    # When the marker comes
    put(lab, "_DONE", b"")
    (first,) = until(lambda: runs_of(lab) or None, "the folder's run")
    first = lab.ended(first["run_id"])

    # Then one run has read the whole folder, without the marker, and says in which versions
    assert first["state"] == "SUCCEEDED", first.get("reason")
    assert first["input"].endswith(FOLDER)
    assert read(lab, first) == versions
    assert [lab.result(first, f"copy/{name}") for name in versions] == [name.encode() for name in versions]

    # When the folder is another by now, and its run is asked for again
    put(lab, "b.txt", b"changed")
    put(lab, "d.txt", b"new")
    body = json.dumps({"runs": [first["run_id"]]}).encode()
    lab.s3.put_object(Bucket=lab.pointers["input_bucket"], Key="lab/submissions/folder/rerun.json", Body=body)
    again = until(lambda: next((run for run in runs_of(lab) if "repeats" in run), None), "the rerun")
    again = lab.ended(again["run_id"])

    # Then it has read what the first one had
    assert again["state"] == "SUCCEEDED", again.get("reason")
    assert again["repeats"] == first["run_id"]
    assert read(lab, again) == versions
    assert lab.result(again, "copy/b.txt") == b"b.txt"
