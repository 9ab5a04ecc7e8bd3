"""Pins of records, and the comparison of two records."""

from typing import Any

import pytest

from dropbatch.contract.reproduction import NotReproducibleError, compare, folder_of, pins_of


def record(**changes: Any) -> dict[str, Any]:
    base = {
        "status": "SUCCEEDED",
        "run_id": "r-1",
        "input": "s3://in/lab/p/a.txt",
        "inputs": [
            {"uri": "s3://in/lab/p/a.txt", "size": 3, "sha256": "aa", "version_id": "v1"},
            {"uri": "s3://refs/genome", "size": 9, "sha256": "bb", "version_id": "v2"},
        ],
        "outputs": [output("r-1", "counts.txt", "c1"), output("r-1", "sub/x", "c2")],
        "parameters": {"k": "1"},
        "job_definition": "p-lab:3",
        "image": "repo:p-1",
    }
    return base | changes


def output(run: str, name: str, digest: str, size: int = 1) -> dict[str, Any]:
    return {"uri": f"s3://out/lab/p/a.txt/{run}/{name}", "size": size, "sha256": digest}


def test_a_file_is_pinned_by_its_version():
    pins = pins_of(record())

    assert (pins.bucket, pins.key, pins.version_id, pins.size, pins.objects) == ("in", "lab/p/a.txt", "v1", 3, ())
    assert (pins.definition, pins.image, pins.parameters) == ("p-lab:3", "repo:p-1", {"k": "1"})
    again = pins.run(run_id="r-2", group="lab", pipeline="p", output="lab/p/a.txt/r-2/")
    assert (again.version_id, again.parameters, again.is_folder) == ("v1", {"k": "1"}, False)


def test_a_folder_is_pinned_by_its_objects():
    files = [{"uri": f"s3://in/lab/p/d/{name}", "size": 1, "sha256": "", "version_id": name} for name in "ab"]
    other = {"uri": "s3://refs/genome", "size": 9, "sha256": "bb", "version_id": "v2"}

    pins = pins_of(record(input="s3://in/lab/p/d/", inputs=[*files, other]))

    assert [(each.key, each.version_id) for each in pins.objects] == [("lab/p/d/a", "a"), ("lab/p/d/b", "b")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "FAILED"}, "has not succeeded"),
        ({"job_definition": None}, "names no job definition"),
        ({"input": "", "inputs": []}, "names no input"),
        ({"input": "s3://in/lab/p/other"}, "does not list the objects of"),
    ],
)
def test_a_record_that_pins_too_little_is_refused(changes: dict[str, Any], words: str):
    with pytest.raises(NotReproducibleError, match=words):
        pins_of(record(**changes))


def test_equal_results_are_identical_wherever_they_are_stored():
    again = record(run_id="r-2", outputs=[output("r-2", "counts.txt", "c1"), output("r-2", "sub/x", "c2")])

    found = compare(record(), again)

    assert found.identical
    assert found.line == "identical: 2 of 2 files have the same checksum"


def test_each_difference_is_named():
    again = record(run_id="r-2", outputs=[output("r-2", "counts.txt", "changed", 7), output("r-2", "more", "c3")])

    found = compare(record(), again)

    assert not found.identical
    assert found.line == "different: counts.txt; missing: sub/x; new: more"
    assert found.sizes == {"counts.txt": (1, 7)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["v-a", "v-b"]),
        ({"status": "FAILED", "phase": "program"}, ["v-a", "v-b"]),
        ({"status": "FAILED", "phase": "stage-in"}, []),
        ({"status": "FAILED", "phase": "lost"}, []),
        ({"input": "s3://in/lab/p/d"}, []),
        ({"input": ""}, []),
    ],
)
def test_the_content_of_a_folder_is_known_only_after_a_complete_read(changes: dict[str, Any], expected: list[str]):
    folder = "s3://in/lab/p/d/"
    files = [{"uri": f"{folder}{name}", "size": 1, "sha256": "", "version_id": f"v-{name}"} for name in "ab"]
    others = [{"uri": uri, "size": 9, "sha256": "", "version_id": "x"} for uri in (folder, "s3://refs/lab/p/d/genome")]

    found = folder_of(record(input=folder, inputs=[*files, *others]) | changes)

    assert [each.version_id for each in found] == expected
