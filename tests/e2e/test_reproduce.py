"""After a changed program is deployed, results of the earlier one can still be reproduced and compared."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dropbatch.cli.main import cli
from dropbatch.contract import keys
from tests.e2e.lab import Lab, until
from tests.e2e.request_objects import asked_for, put

pytestmark = pytest.mark.e2e

TEXT = b"one two two\nthree three three\n"


@pytest.fixture(autouse=True)
def _in_the_checkout(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.root)


@pytest.fixture(scope="module")
def made(lab: Lab) -> dict[str, dict[str, Any]]:
    """Produce a result with each program; program, command, image and parameters change in between."""
    clocked = lab.drop("lab/clocked/before.txt", TEXT)
    before = {"recount": counted(lab, "before"), "clocked": lab.ended(clocked)}
    edit(lab.root / "image/recount/wordcount", "TOP = 20", "TOP = 1")
    edit(lab.root / "image/recount/Dockerfile", "WORKDIR /tmp", "WORKDIR /")
    edit(lab.root / "environments/sandbox.toml", "{output}/{param.name}.txt", "{output}/words-{param.name}.txt")
    lab.synthesize()
    lab.terraform().apply()
    return before | {"after": counted(lab, "after")}


def counted(lab: Lab, name: str) -> dict[str, Any]:
    """Return the run that a request for a parameter starts, after its end."""
    put(lab, "lab/inputs/reproduce.txt", TEXT)
    key = f"lab/submissions/reproduce-{name}/submit.json"
    put(lab, key, {"pipeline": "recount", "inputs": "lab/inputs/reproduce.txt", "parameters": {"name": name}})
    (run,) = until(lambda: asked_for(lab, key) or None, "the run of the request")
    return lab.ended(run["run_id"])


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
    assert b"two" in lab.result(made["recount"], "before.txt")
    assert b"two" not in lab.result(made["after"], "words-after.txt")
    assert before["image"] != after["image"]
    assert before["job_definition"] != after["job_definition"]


def test_reproducing_with_the_earlier_program_gives_the_same_counts(lab: Lab, made: dict[str, dict[str, Any]]) -> None:
    code, answer, said = reproduce(made["recount"]["run_id"])

    assert code == 0, said
    assert answer["identical"]
    assert answer["files"] == [{"name": "before.txt", "verdict": "identical"}]
    again = lab.record(lab.run(answer["reproduction"]) or {})
    original = lab.record(made["recount"])
    for name in ("image", "job_definition", "inputs", "parameters"):
        assert again[name] == original[name], name
    assert original["parameters"] == {"name": "before"}


def test_reproducing_names_the_file_in_which_the_program_writes_the_time(made: dict[str, dict[str, Any]]) -> None:
    code, answer, said = reproduce(made["clocked"]["run_id"])

    assert code == 6
    assert {each["name"]: each["verdict"] for each in answer["files"]} == {
        "same.txt": "identical",
        "time.txt": "different",
    }
    assert said.rstrip().endswith("was not reproduced: different: time.txt")


def test_a_deregistered_revision_is_refused_by_name(lab: Lab, made: dict[str, dict[str, Any]]) -> None:
    definition = lab.record(made["recount"])["job_definition"]
    lab.client("batch").deregister_job_definition(jobDefinition=definition)

    code, answer, said = reproduce(made["recount"]["run_id"])

    assert code == 1, answer
    assert f"its job definition {definition} was deregistered" in said
    refusals = [run for run in lab.runs() if run.get("pipeline") == keys.SUBMISSIONS and definition in run["reason"]]
    assert [run["state"] for run in refusals] == ["REJECTED"]
