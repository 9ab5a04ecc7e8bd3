import pytest

from lambdas.arrival.dead_letters import DeadLetters
from lambdas.arrival.flow import ArrivalFlow
from tests.lambdas.conftest import sqs_record
from tests.lambdas.simulated_aws import SimulatedAws


def letters(aws: SimulatedAws) -> DeadLetters:
    return DeadLetters(sqs=aws.sqs, arrival_url="arrivals", dead_letter_url="dead")


def sent(aws: SimulatedAws, queue: str) -> list[str]:
    return [message["MessageBody"] for message in aws.sqs.sent if message["QueueUrl"] == queue]


def test_dead_letters_are_listed_with_their_reasons_and_kept(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    arrival.process([sqs_record("rubbish", "m1"), sqs_record("{}", "m2")])
    aws.sqs.send_message(QueueUrl="dead", MessageBody="worn out")

    for _ in range(2):
        shown = letters(aws).show(limit=100)["letters"]

        assert [each["body"] for each in shown] == ["rubbish", "{}", "worn out"]
        assert shown[0]["reason"].startswith("not JSON")
        assert shown[2]["reason"].startswith("every try to process it failed")


def test_dead_letters_are_redriven_up_to_a_limit(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    arrival.process([sqs_record("{}", f"m{number}") for number in range(25)])
    calls: list[str] = []
    aws.tap = lambda operation, call: calls.append(operation)

    said = letters(aws).redrive(limit=23)

    assert said == {"redriven": 23, "reasons": {"unknown kind of message with the fields (none)": 23}}
    assert sent(aws, "arrivals") == ["{}"] * 23
    # Sent before it is deleted: a crash in between loses nothing.
    assert calls[1:3] == ["SendMessage", "DeleteMessage"]
    assert letters(aws).redrive(limit=23)["redriven"] == 2
    assert letters(aws).redrive(limit=23) == {"redriven": 0, "reasons": {}}


def test_a_reason_contains_no_character_that_sqs_refuses(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    arrival.process([sqs_record('{"a\\u0000\\ud800b": 1}')])

    (letter,) = letters(aws).show(limit=1)["letters"]

    assert letter["reason"].endswith("fields a??b")


@pytest.mark.parametrize("free", [0, 12, 13, 40, 2000])
def test_a_message_of_the_maximum_size_is_moved_with_a_truncated_reason(
    aws: SimulatedAws, arrival: ArrivalFlow, free: int
) -> None:
    body = "x" * (1_048_576 - free)

    arrival.process([sqs_record(body)])

    (sent_,) = aws.sqs.sent
    reason = sent_.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "")
    assert sent_["MessageBody"] == body
    assert "not JSON: Expecting value: line 1 column 1 (char 0)".startswith(reason)
    assert len(reason) == min(max(free - len("reasonString"), 0), 51)
