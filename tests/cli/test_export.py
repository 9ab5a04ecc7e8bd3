"""`export`: a run as a crate, read back as other tools read it."""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from rocrate.rocrate import ROCrate

from dropbatch.cli.ro_crate import PROFILE
from dropbatch.contract.runs import State
from tests.cli.conftest import World


def test_a_crate_is_read_back_completely(world: World, tmp_path: Path):
    item = world.done({"counts.txt": b"7 words\n", "deep/more.txt": b"more"})

    result = world.call("export", item["run_id"][:12], "--ro-crate", str(tmp_path / "crate"))

    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "crate" / "ro-crate-metadata.json")
    crate = ROCrate(tmp_path / "crate")
    assert crate.root_dataset["conformsTo"].id == PROFILE
    action: Any = crate.dereference(f"#{item['run_id']}")
    assert crate.root_dataset["mentions"] == [action]
    assert {each.id: each["sha256"] for each in action["result"]} == {
        "results/counts.txt": sha256(b"7 words\n").hexdigest(),
        "results/deep/more.txt": sha256(b"more").hexdigest(),
    }
    assert action["instrument"]["name"] == "wordcount"
    assert (tmp_path / "crate" / "results" / "deep" / "more.txt").read_bytes() == b"more"
    assert (tmp_path / "crate" / "_log.txt").read_bytes() == b"said\n"
    assert json.loads((tmp_path / "crate" / "_run.json").read_text())["run_id"] == item["run_id"]
    assert {"_log.txt", "_run.json"} <= {each.id for each in crate.data_entities}


def test_the_same_export_continues_and_another_run_is_refused(world: World, tmp_path: Path):
    one, other = world.done({"a.txt": b"a"}), world.done({"a.txt": b"b"}, name="other.txt")
    target = str(tmp_path / "crate")

    first = world.call("export", one["run_id"], "--ro-crate", target)
    again = world.call("export", one["run_id"], "--ro-crate", target, "--json")
    refused = world.call("export", other["run_id"], "--ro-crate", target)

    assert (first.exit_code, again.exit_code, refused.exit_code) == (0, 0, 1)
    assert json.loads(again.stdout)["files"] == [f"{target}/results/a.txt"]
    assert f"{target} is the crate of {one['run_id']}: name a new directory" in refused.stderr


def test_results_may_stay_in_s3(world: World, tmp_path: Path):
    item = world.done({"a.txt": b"a"})

    result = world.call("export", item["run_id"], "--ro-crate", str(tmp_path / "crate"), "--without-files")

    assert result.exit_code == 0, result.output
    assert not (tmp_path / "crate" / "results").exists()
    action: Any = ROCrate(tmp_path / "crate").dereference(f"#{item['run_id']}")
    assert action["result"][0].id.startswith("s3://cli-output/lab/wordcount/notes.txt/r-")


def test_a_directory_with_other_files_is_not_changed(world: World, tmp_path: Path):
    item = world.done({"a.txt": b"a"})
    (tmp_path / "thesis.tex").write_text("")

    result = world.call("export", item["run_id"], "--ro-crate", str(tmp_path))

    assert result.exit_code == 1
    assert f"{tmp_path} is not empty: name a new directory" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_missing_library_says_how_to_install_it(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    item = world.item(State.SUCCEEDED)
    monkeypatch.setitem(sys.modules, "rocrate", None)

    result = world.call("export", item["run_id"], "--ro-crate", str(tmp_path / "crate"))

    assert result.exit_code == 1
    assert "pipx inject dropbatch rocrate" in result.stderr
    assert not (tmp_path / "crate").exists()
