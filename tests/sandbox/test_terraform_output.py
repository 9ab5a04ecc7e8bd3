import json
import time
from typing import Any

from dropbatch.sandbox.terraform_output import ProgressReporter, readable


def message(kind: str, action: str = "create", **hook: Any) -> str:
    return json.dumps({"type": kind, "hook": {"resource": {"addr": "aws_x.Thing_0123ABCD"}, "action": action, **hook}})


def test_messages_of_terraform_become_short_lines() -> None:
    said: list[str] = []
    reporter = ProgressReporter(said.append, "comparing")

    for line in (
        json.dumps({"type": "version", "terraform": "1.11.4"}),
        message("apply_start"),
        message("apply_progress", elapsed_seconds=10),
        message("apply_complete", elapsed_seconds=12.4),
        message("provision_progress", output="Executing: [...]"),
        message("provision_progress", output="pushed"),
        json.dumps({"type": "diagnostic", "diagnostic": {"severity": "warning", "summary": "old", "detail": "d"}}),
        json.dumps({"type": "diagnostic", "diagnostic": {"severity": "warning", "summary": "old", "detail": "d"}}),
        json.dumps({"type": "change_summary", "changes": {"add": 1, "change": 0, "remove": 0}}),
        "not json",
    ):
        reporter.take(line)

    assert said == ["created aws_x.Thing  12 s", "  pushed", "warning: old", "not json"]
    assert reporter.summary["add"] == 1


def test_silence_names_the_operations_in_progress() -> None:
    said: list[str] = []
    reporter = ProgressReporter(said.append, "comparing")
    now = time.monotonic()

    under_way = [(f"aws_x.T{number}", ("creating", now - number)) for number in (9, 5, 1)]

    assert reporter._waiting(under_way, now) == "still creating aws_x.T9 9 s, creating aws_x.T5 5 s and 1 more"
    assert reporter._waiting([], reporter._begun + 4) == "comparing: 4 s"


def test_two_seconds_of_silence_give_a_line() -> None:
    said: list[str] = []

    with ProgressReporter(said.append, "comparing"):
        deadline = time.monotonic() + 10
        while not said and time.monotonic() < deadline:
            time.sleep(0.05)

    assert said[0].startswith("comparing")


def test_a_diagnostic_says_what_where_and_why() -> None:
    text = readable({"summary": "Invalid value", "address": "aws_x.a", "detail": "must be\none of"})

    assert text == "Invalid value\n  at aws_x.a\n  must be\n  one of"


def test_an_interrupt_is_reported_until_terraform_ends() -> None:
    said: list[str] = []
    reporter = ProgressReporter(said.append, "comparing")
    assert not reporter.changing
    reporter.take(message("apply_start"))
    assert reporter.changing

    reporter.note_ending()

    assert said == ["interrupted, ending Terraform in good order"]
    assert not reporter._under_way
    assert reporter._waiting([], reporter._begun + 3) == "interrupted, ending Terraform in good order: 3 s"
