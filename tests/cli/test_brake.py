import io
import json
from types import SimpleNamespace
from typing import Any

import click
import pytest

from dropbatch.cli.brake import pull


def deployed(answer: dict[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    calls: list[dict[str, Any]] = []

    def invoke(**call: Any) -> dict[str, Any]:
        calls.append(call)
        return answer

    return SimpleNamespace(environment="dev", functions=SimpleNamespace(invoke=invoke)), calls


def test_the_spend_guard_is_asked() -> None:
    there, calls = deployed({})

    pull(there, "stop", reason="too dear")

    assert calls[0]["FunctionName"] == "dropbatch-dev-spend-guard"
    assert json.loads(calls[0]["Payload"]) == {"action": "stop", "reason": "too dear"}


def test_what_the_spend_guard_could_not_do_is_said_in_its_words() -> None:
    said = io.BytesIO(json.dumps({"errorMessage": "not all pools are disabled"}).encode())
    there, _ = deployed({"FunctionError": "Unhandled", "Payload": said})

    with pytest.raises(click.ClickException, match="could not pause: not all pools are disabled"):
        pull(there, "pause")
