"""A changed program is deployed and used; what the earlier one made can still be made again, and compared."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dropbatch.cli.main import cli
from dropbatch.contract import keys
from tests.e2e.lab import Lab

pytestmark = pytest.mark.e2e

TEXT = b"one two two\nthree three three\n"


@pytest.fixture(autouse=True)
def _in_the_checkout(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.root)


@pytest.fixture(scope="module")
def made(lab: Lab) -> dict[str, dict[str, Any]]:
    """A result of each program; then program, command and image are changed, deployed and used."""
    runs = {name: lab.drop(f"lab/{name}/before.txt", TEXT) for name in ("recount", "clocked")}
    before = {name: lab.ended(run) for name, run in runs.items()}
    edit(lab.root / "image/recount/wordcount", "TOP = 20", "TOP = 1")
    edit(lab.root / "image/recount/Dockerfile", "WORKDIR /tmp", "WORKDIR /")
    recount = '[pipeline.recount]\nimage = "image/recount"\ncommand = ["wordcount", "{input}", "{output}/'
    edit(lab.root / "environments/sandbox.toml", f"{recount}counts.txt", f"{recount}words.txt")
    lab.synthesize()
    lab.terraform().apply()
    return before | {"after": lab.ended(lab.drop("lab/recount/after.txt", TEXT))}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def reproduce(*arguments: str) -> tuple[int, dict[str, Any], str]:
    result = CliRunner().invoke(cli, ["--group", "lab", "reproduce", *arguments, "--wait", "--yes", "--json"])
    return result.exit_code, json.loads(result.stdout or "{}"), result.stderr


def test_an_edited_program_is_deployed_and_used(lab: Lab, made: dict[str, dict[str, Any]]) -> None:
    before, after = (lab.record(made[name]) for name in ("recount", "after"))

    assert [each["status"] for each in (before, after)] == ["SUCCEEDED", "SUCCEEDED"]
    assert b"two" in lab.result(made["recount"], "counts.txt")
    assert b"two" not in lab.result(made["after"], "words.txt")
    assert before["image"] != after["image"]
    assert before["job_definition"] != after["job_definition"]


def test_what_the_earlier_program_counted_is_counted_again_the_same(lab: Lab, made: dict[str, dict[str, Any]]) -> None:
    code, answer, said = reproduce(made["recount"]["run_id"])

    assert code == 0, said
    assert answer["identical"]
    assert answer["files"] == [{"name": "counts.txt", "verdict": "identical"}]
    again = lab.record(lab.run(answer["reproduction"]) or {})
    original = lab.record(made["recount"])
    for name in ("image", "job_definition", "inputs", "parameters"):
        assert again[name] == original[name], name


def test_a_program_that_writes_the_time_is_told_by_that_file(made: dict[str, dict[str, Any]]) -> None:
    code, answer, said = reproduce(made["clocked"]["run_id"])

    assert code == 6
    assert {each["name"]: each["verdict"] for each in answer["files"]} == {
        "same.txt": "identical",
        "time.txt": "different",
    }
    assert said.rstrip().endswith("was not reproduced: different: time.txt")


def test_a_revision_that_was_deregistered_is_refused_by_its_name(lab: Lab, made: dict[str, dict[str, Any]]) -> None:
    definition = lab.record(made["recount"])["job_definition"]
    lab.client("batch").deregister_job_definition(jobDefinition=definition)

    code, answer, said = reproduce(made["recount"]["run_id"])

    assert code == 1, answer
    assert f"its job definition {definition} is gone" in said
    refusals = [run for run in lab.runs() if run.get("pipeline") == keys.SUBMISSIONS and definition in run["reason"]]
    assert [run["state"] for run in refusals] == ["REJECTED"]
