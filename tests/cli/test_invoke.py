"""`pause`, `resume` and `retry --dead-letters`: confirmation, and the functions they invoke."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from dropbatch.cli.context import Context
from dropbatch.cli.main import cli
from tests.cli.stub_functions import LETTERS, Functions


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Functions:
    found = Functions()
    monkeypatch.setattr(Context, "deployed", SimpleNamespace(environment="dev", functions=found))
    return found


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["pause", "--reason", "too dear"], {"action": "pause", "reason": "too dear"}),
        (["pause", "--stop"], {"action": "stop", "reason": "by hand"}),
        (["resume"], {"action": "resume", "reason": ""}),
    ],
)
def test_the_spend_guard_is_invoked(functions: Functions, arguments: list[str], asked: dict[str, str]):
    result = call(*arguments, "--yes", "--json")

    assert result.exit_code == 0, result.output
    assert functions.calls == [("dropbatch-dev-spend-guard", asked)]
    assert json.loads(result.stdout)["did"] == f"{asked['action']}d"


@pytest.mark.parametrize("arguments", [["pause"], ["resume"], ["pause", "--stop"]])
def test_nothing_is_done_without_confirmation(
    functions: Functions, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
):
    alone = call(*arguments)
    monkeypatch.setattr("dropbatch.cli.confirmation.is_interactive", lambda: True)
    refused = CliRunner().invoke(cli, arguments, input="n\n")

    assert (alone.exit_code, refused.exit_code) == (2, 1)
    assert "--yes" in alone.stderr
    assert "dev" in refused.stderr
    assert functions.calls == []


def test_a_failure_of_the_spend_guard_is_shown_in_its_words(functions: Functions):
    functions.error = "not all pools are disabled"

    result = call("pause", "--yes")

    assert result.exit_code == 1
    assert "the spend guard could not pause: not all pools are disabled" in result.stderr


def test_dead_letters_are_listed_and_kept_in_a_dry_run(functions: Functions):
    result = call("retry", "--dead-letters", "--dry-run")

    assert result.exit_code == 0, result.output
    assert result.stdout == "m-1  not JSON\N{REPLACEMENT CHARACTER}[2J\n"
    assert result.stderr == "Would send 1 dead letter back to the queue\n"
    assert functions.calls == [("dropbatch-dev-arrival", {"action": "dead-letters", "limit": 100})]


def test_dead_letters_are_redriven_after_confirmation(functions: Functions):
    result = call("retry", "--dead-letters", "--yes", "--limit", "7", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {**LETTERS, "redriven": 1}
    assert functions.calls[1] == ("dropbatch-dev-arrival", {"action": "redrive", "limit": 7})


def test_an_empty_dead_letter_queue_is_reported(functions: Functions):
    functions.letters = {"letters": []}

    result = call("retry", "--dead-letters")

    assert (result.exit_code, result.stderr) == (0, "there are no dead letters\n")


@pytest.mark.parametrize("more", [["r-1"], ["--all"], ["--wait"]])
def test_dead_letters_cannot_be_combined_with_runs(functions: Functions, more: list[str]):
    assert call("retry", "--dead-letters", *more).exit_code == 2
    assert functions.calls == []
