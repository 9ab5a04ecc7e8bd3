"""Sandbox commands for developers of the functions, in a deployed stack."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dropbatch.cli.main import cli
from tests.e2e.lab import Lab

pytestmark = pytest.mark.e2e

EVENTS = Path(__file__).parents[1] / "events"


@pytest.fixture(autouse=True)
def _in_the_checkout(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.root)


def sandbox(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["sandbox", *arguments])


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_sample_event_of_each_kind_is_understood(lab: Lab, path: Path) -> None:
    function = next(each for each in ("run-events", "spend-guard", "arrival") if path.stem.startswith(each))

    try:
        result = sandbox("invoke", function, "--event", str(path))
    finally:
        if function == "spend-guard":
            sandbox("invoke", "spend_guard", "--event", str(EVENTS / "spend-guard-resume.json"))

    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    if function == "spend-guard":
        expected = {"budget-warning": "nothing", "budget-spent": "paused", "pause": "paused", "resume": "resumed"}
        assert answer == {"did": expected[path.stem.removeprefix("spend-guard-")]}
    elif path.stem != "run-events-schedule":
        assert answer == {"batchItemFailures": []}


def test_a_failing_function_reports_its_error(lab: Lab, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"action": "dance"}')

    result = sandbox("invoke", "spend-guard", "--event", str(event))

    assert result.exit_code == 1
    assert "must be 'pause', 'stop' or 'resume'" in result.stdout
    assert result.stderr.rstrip().endswith("dropbatch-sandbox-spend-guard failed")


def test_used_rights_are_distinguished_from_unused_ones(lab: Lab) -> None:
    lab.ended(lab.drop("lab/wordcount/rights.txt", b"one\n"))

    used, left = sandbox("grants", "--used"), sandbox("grants")

    assert used.exit_code == left.exit_code == 0
    roles = {line.split()[0] for line in used.stdout.splitlines()}
    assert any("arrival" in role for role in roles)
    assert "batch:SubmitJob" in used.stdout
    assert "batch:SubmitJob" not in left.stdout
