"""The arrival function's handler, with its parts created from environment variables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdas.arrival import handler
from lambdas.common import wiring
from tests.lambdas.conftest import DEPLOYMENT, OUTPUT, dropped, sqs_record
from tests.lambdas.simulated_aws import SimulatedAws

ENVIRONMENT = {
    "LEDGER_TABLE": "ledger",
    "OUTPUT_BUCKET": OUTPUT,
    "ARRIVAL_QUEUE_URL": "arrivals",
    "ARRIVAL_DEAD_LETTER_URL": "dead",
}


@pytest.fixture
def retries(aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, bool]]:
    """Set the function's environment; return which of its clients retry calls."""
    (tmp_path / "deployment.json").write_text(DEPLOYMENT.to_json())
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    made: dict[str, bool] = {}

    def client(service: str, *, retry: bool = True) -> Any:
        made[service] = retry
        return getattr(aws, service)

    monkeypatch.setattr(wiring, "client", client)
    handler._flow.cache_clear()
    yield made
    handler._flow.cache_clear()


class Context:
    """Lambda's context, which returns one of these remaining times (in milliseconds) at each call."""

    def __init__(self, *left: int) -> None:
        self._left = iter(left)

    def get_remaining_time_in_millis(self) -> int:
        return next(self._left, 0)


def test_a_batch_is_processed_and_failed_messages_are_returned(aws: SimulatedAws, retries: dict[str, bool]) -> None:
    plenty = Context(*[120_000] * 10)
    assert handler.handle({"Records": [dropped("lab/wordcount/a")]}, plenty) == {"batchItemFailures": []}

    (run,) = aws.dynamodb.runs()
    assert run["state"] == "HELD"
    assert len(aws.batch.jobs) == 1
    # SubmitJob has no idempotency token.
    assert retries == {"dynamodb": True, "s3": True, "batch": False, "sqs": True, "events": True}


def test_messages_beyond_the_time_limit_are_redelivered(aws: SimulatedAws, retries: dict[str, bool]) -> None:
    messages = [
        dropped(*(f"lab/wordcount/{number}" for number in range(100))),
        dropped("lab/wordcount/x", message_id="m2"),
    ]

    answer = handler.handle({"Records": messages}, Context(120_000, 60_001, 60_000))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}]}
    assert len(aws.dynamodb.runs()) == 100
    (job,) = aws.batch.jobs.values()
    assert job["arrayProperties"]["size"] == 100


def test_operators_list_and_redrive_dead_letters(aws: SimulatedAws, retries: dict[str, bool]) -> None:
    handler.handle({"Records": [sqs_record("rubbish", "m1"), sqs_record("[]", "m2")]}, Context(120_000))

    shown = handler.handle({"action": "dead-letters"}, None)["letters"]
    sent_back = handler.handle({"action": "redrive", "limit": 1}, None)

    assert [each["body"] for each in shown] == ["rubbish", "[]"]
    assert sent_back["redriven"] == 1
    assert [each["MessageBody"] for each in aws.sqs.sent if each["QueueUrl"] == "arrivals"] == ["rubbish"]


def test_an_unknown_action_names_the_known_ones(retries: dict[str, bool]) -> None:
    with pytest.raises(ValueError, match="action must be 'dead-letters' or 'redrive', got 'dance'"):
        handler.handle({"action": "dance"}, None)


def test_a_missing_environment_variable_is_named(retries: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEDGER_TABLE")
    monkeypatch.setenv("OUTPUT_BUCKET", "")

    with pytest.raises(RuntimeError, match="environment variables missing: LEDGER_TABLE, OUTPUT_BUCKET: deploy"):
        handler.handle({"Records": []}, Context(120_000))
