"""`tree`: folders are counted at any depth and shown to the requested depth."""

import json

import pytest

from dropbatch.cli.folder_tree import Folder, build_tree
from tests.cli.conftest import INPUT, World


def put(world: World, *keys: str) -> None:
    for key in keys:
        world.s3.put_object(Bucket=INPUT, Key=key, Body=b"12345")


@pytest.mark.parametrize(
    ("keys", "depth", "entries", "shown"),
    [
        (["a.txt", "d/b.txt"], 3, 9, {"d": {"b.txt": 1}, "a.txt": 1}),
        (["d/e/f/g.txt", "d/e/f/h.txt"], 2, 9, {"d": {"e": {}}}),
        (["a", "b", "c", "d"], 3, 2, {"a": 1, "b": 1, "…": 2}),
        (["1/x", "2/x", "3/x", "3/y", "4/x"], 3, 2, {"1": {"x": 1}, "2": {"x": 1}, "…": 2}),
        (["d/", "d/x"], 3, 9, {"d": {"x": 1}}),
    ],
)
def test_a_listing_becomes_a_tree(keys: list[str], depth: int, entries: int, shown: dict[str, object]):
    root = build_tree("lab/", [(f"lab/{key}", 1, "2026-01-01") for key in sorted(keys)], depth=depth, entries=entries)

    def plain(folder: Folder) -> dict[str, object]:
        found: dict[str, object] = {name: plain(each) for name, each in folder.folders.items()}
        found |= {leaf.name: leaf.files for leaf in folder.leaves}
        return found | ({"…": folder.left_out} if folder.left_out else {})

    assert plain(root) == shown
    assert root.files == root.size == sum(not key.endswith("/") for key in keys)


def test_tree_shows_files_and_results(world: World):
    world.done({"counts.txt": b"2"})
    put(world, "lab/wordcount/scans/1.txt", "lab/wordcount/scans/2.txt", "other/wordcount/x.txt")

    result = world.call("tree", "--depth", "2")

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"s3://{INPUT}/lab/  2 files, 10 B"
    assert "    └── scans/  2 files, 10 B" in lines
    assert any(line.endswith("notes.txt/  3 files, " + line.rpartition(", ")[2]) for line in lines)
    assert "other" not in result.stdout


@pytest.mark.parametrize("prefix", ["wordcount/scans", "lab/wordcount/scans/", "/wordcount/scans"])
def test_tree_accepts_a_folder_in_any_form(world: World, prefix: str):
    put(world, "lab/wordcount/scans/1.txt", "lab/wordcount/scans-old/2.txt")

    (tree,) = json.loads(world.call("tree", prefix, "--inputs", "--json").stdout)

    assert tree["uri"] == f"s3://{INPUT}/lab/wordcount/scans/"
    assert [each["name"] for each in tree["entries"]] == ["1.txt"]
    assert (tree["files"], tree["bytes"], tree["left_out"]) == (1, 5, 0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing/here"], 3, "there are no files below lab/nothing/here/"),
        (["s3://b/lab/"], 2, "such as wordcount/scans"),
    ],
)
def test_tree_of_a_missing_folder_says_so(world: World, arguments: list[str], code: int, words: str):
    result = world.call("tree", *arguments)

    assert result.exit_code == code
    assert words in result.stderr
