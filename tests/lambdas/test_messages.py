import pytest

from lambdas.common.messages import Arrival, PoisonError, parse
from lambdas.common.system_messages import Held, Resubmit, held_body, resubmit_body
from tests.lambdas.conftest import s3_record, sqs_record


@pytest.mark.parametrize(
    "key", ["lab/wordcount/a b+(1) ü.txt", "lab/wordcount/100%.txt", 'lab/wordcount/\'"🦉".txt', "a//b/../c", "\u00a0"]
)
def test_keys_are_decoded_to_their_original(key: str) -> None:
    body = sqs_record({"Records": [s3_record(key)]})["body"]

    (arrival,) = parse(body).arrivals

    assert arrival == Arrival(bucket="in-bucket", key=key, version_id="v1", size=3, etag="e")


def test_all_records_of_a_message_are_read() -> None:
    body = sqs_record({"Records": [s3_record("a"), s3_record("b")]})["body"]

    assert [arrival.key for arrival in parse(body).arrivals] == ["a", "b"]


def test_a_test_event_of_s3_has_no_records() -> None:
    message = parse('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"in-bucket"}')

    assert not message.arrivals
    assert not message.held


def test_removed_objects_are_not_arrivals() -> None:
    record = s3_record("a") | {"eventName": "ObjectRemoved:Delete"}

    assert parse(sqs_record({"Records": [record]})["body"]).arrivals == ()


def test_own_messages_are_restored_from_the_queue() -> None:
    held = Held(group="lab", run_id="r-1", job_name="job")
    job = Resubmit(job_name="job", lease_until="2026-11-20T00:00:00.000Z")

    assert parse(held_body([held])).held == (held,)
    assert parse(resubmit_body(job)).resubmit == (job,)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("[]", "must be a JSON object, got a list"),
        ("{}", r"unknown kind of message with the fields \(none\)"),
        ('{"hello": 1}', "unknown kind of message with the fields hello"),
        ('{"Records": [{}]}', "a field is missing or has a wrong type: KeyError 'eventName'"),
        ('{"Records": 7}', "a field is missing or has a wrong type"),
        ('{"dropbatch": 2}', "message version 2 is not 1"),
        ('{"dropbatch": 1, "kind": "dance"}', "unknown kind 'dance'"),
        ('{"dropbatch": 1, "kind": "resubmit", "job_name": 3}', "must be text, got 3"),
        ('{"dropbatch": 1, "kind": "resubmit", "job_name": "\\ud800"}', "surrogates not allowed"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_an_unparseable_message_gives_the_reason(body: str, reason: str) -> None:
    with pytest.raises(PoisonError, match=reason):
        parse(body)
