import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropbatch.contract import batch_reasons
from dropbatch.contract.batch_reasons import INSUFFICIENT_CAPACITY, TEXTS, TIME_LIMIT_REASONS, ReasonText
from tests.project import ROOT

ROOMS = ("dropbatch", "lambdas", "constructs_lib", "delivery", "checks")


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.start)
def test_a_reason_is_recognised_by_its_own_start_only(text: ReasonText) -> None:
    assert [each for each in TEXTS if each.field == text.field and each.matches(text.example)] == [text]
    assert text.source.startswith("https://")


def test_every_reason_of_the_module_is_listed() -> None:
    assert {each for each in vars(batch_reasons).values() if isinstance(each, ReasonText)} == set(TEXTS)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.start)
def test_each_pattern_fits_a_retry_rule(text: ReasonText) -> None:
    # At most 512 characters, an asterisk only at the end:
    # https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
    assert len(text.pattern) <= 512
    assert text.pattern.find("*") == len(text.pattern) - 1


@pytest.mark.parametrize("reason", TIME_LIMIT_REASONS, ids=lambda reason: reason.start)
def test_a_blocked_job_has_the_same_reason_before_and_after_it_is_canceled(reason: ReasonText) -> None:
    canceled = f"{batch_reasons.CANCELED_BY_TIME_LIMIT.start}{reason.start}"

    assert batch_reasons.time_limit_reason(reason.example) is reason
    assert batch_reasons.time_limit_reason(canceled) is reason


def test_other_reasons_name_no_time_limit() -> None:
    assert batch_reasons.time_limit_reason(f"program said {INSUFFICIENT_CAPACITY.start}") is None
    assert batch_reasons.time_limit_reason("") is None


def test_no_other_module_contains_the_reasons() -> None:
    own = Path(batch_reasons.__file__)
    starts = [each.start.rstrip(": ") for each in TEXTS]

    copies = [
        f"{path.relative_to(ROOT)}: {text}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if path != own
        for text in _strings(path)
        if any(text.startswith(start) for start in starts)
    ]

    assert copies == []


def _strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
