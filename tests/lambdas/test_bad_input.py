"""Any input: no exception, and every input leads to a run, a rejection, a log line or a dead letter."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dropbatch.contract import keys
from lambdas.arrival.requests.legacy import FIELDS
from lambdas.common.system_messages import (
    Finished,
    Held,
    RequestStep,
    Resubmit,
    held_body,
    next_body,
    requests_body,
    resubmit_body,
)
from tests.lambdas.conftest import (
    INPUT,
    OUTPUT,
    definitions,
    make_arrival,
    run_events,
    s3_record,
    sqs_record,
)
from tests.lambdas.simulated_aws import SimulatedAws

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
PART = st.sampled_from(["lab", "neuro", "other", "wordcount", "sort", "byfolder", "byrequest", "submissions", "inputs"])
NAME = st.sampled_from(
    ["a.dat", "_DONE", "submit.json", "retry.toml", "cancel.json", "", "..", "a b+c%.txt", "k" * 900]
)
KEY = st.one_of(
    st.builds("/".join, st.lists(PART | NAME | ANY_TEXT, max_size=5)), st.builds("lab/{}/{}".format, PART, NAME)
)
FIELD = st.sampled_from(
    [*("pipeline", "inputs", "config", "parameters", "name", "overrides", "runs", "prefix"), *FIELDS]
)
THERE = ["lab/inputs/a.dat", "lab/inputs/b/c.dat", "lab/configs/c.toml", "lab/sort/x.dat", "lab/byfolder/d/_DONE"]
VALUE = st.one_of(
    JSON,
    st.sampled_from(
        [
            "wordcount",
            "sort",
            *THERE,
            "lab/inputs/",
            "lab/inputs/*",
            "lab/**/*",
            "s3://in-bucket/lab/inputs/a",
            "\ud800",
            "lab/inputs/\0*",
        ]
    ),
    st.lists(st.sampled_from([*THERE, "lab/inputs/**", "neuro/inputs/x", "r-" + "0" * 20, "["]), max_size=3),
    st.dictionaries(
        st.sampled_from(["k", "vcpus", "memory_mib", "pool", "timeout_minutes"]),
        st.integers(-5, 5000) | st.lists(st.integers() | st.floats() | ANY_TEXT, max_size=4) | st.just("spot"),
        max_size=3,
    ),
)
ENTRY = (
    st.sampled_from([*THERE, "lab/inputs/*", "\ud800", "lab/inputs/\0*", "lab/inputs/[", "s3://", "s3:///x"]) | ANY_TEXT
)
NEARLY = st.fixed_dictionaries(
    {"pipeline": st.just("wordcount"), "inputs": ENTRY | st.lists(ENTRY, max_size=3)},
    optional={
        "config": ENTRY,
        "name": ANY_TEXT,
        "parameters": st.dictionaries(st.just("k") | ANY_TEXT, JSON, max_size=3),
        "overrides": VALUE,
        "resultpath": ENTRY,
        "instance_type": ENTRY | JSON,
        "timestamp": JSON,
    },
)
"""Submissions with up to two faults."""


@contextmanager
def traces() -> Iterator[list[str]]:
    """The function's log lines; fails if they contain an exception."""
    said: list[str] = []
    faults: list[object] = []

    def emit(record: logging.LogRecord) -> None:
        said.append(record.getMessage())
        faults.extend([record.exc_info] if record.exc_info else [])

    handler = logging.Handler()
    handler.emit = emit  # type: ignore[method-assign]
    log = logging.getLogger("dropbatch")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield said
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    assert not faults


def world() -> SimulatedAws:
    aws = SimulatedAws()
    aws.batch.definitions = definitions()
    return aws


def _taken(character: str) -> bool:
    return character not in "\ufffe\uffff"


def deliver(aws: SimulatedAws, body: str) -> list[str]:
    """Deliver a message and all messages that follow from it; return the dead letters."""
    flow = make_arrival(aws)
    assert not flow.process([sqs_record(body)]).ids
    dead = []
    while aws.sqs.sent:
        sent = aws.sqs.sent.pop(0)
        if sent["QueueUrl"] == "dead":
            reason = sent["MessageAttributes"]["reason"]["StringValue"]
            assert reason.isprintable()
            assert reason
            dead.append(sent["MessageBody"])
        else:
            assert not flow.process([sqs_record(sent["MessageBody"])]).ids
    return dead


# Characters that SQS accepts in a message: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
BODY = st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\t\n\r").filter(_taken), min_size=1)


@given(BODY | JSON.map(json.dumps))
@settings(deadline=None)
def test_any_message_is_processed_or_moved_with_a_reason(body: str) -> None:
    aws = world()

    dead = deliver(aws, body)

    assert dead == [body]
    assert not aws.dynamodb.items


OWN = st.sampled_from(
    [
        held_body([Held(group="lab", run_id="r-1", job_name="j")]),
        next_body([Finished(group="lab", run_id="r-1")]),
        resubmit_body(Resubmit(job_name="j", lease_until="2026-01-01T00:00:00.000Z")),
        requests_body(
            [RequestStep(group="lab", request="submit", bucket=INPUT, key="k", version_id="v1", size=1, stage="start")]
        ),
    ]
).map(json.loads)


@given(OWN, st.data())
@settings(deadline=None, max_examples=200)
def test_malformed_messages_of_our_own_are_ignored_or_moved(message: Any, data: st.DataObject) -> None:
    where = message
    inner = [each for each in where.values() if isinstance(each, list)]
    if data.draw(st.booleans()) and inner:
        where = inner[0][0]
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(JSON)
    aws = world()
    body = json.dumps(message)

    dead = deliver(aws, body)

    assert dead in ([], [body])
    assert not [run for run in aws.dynamodb.runs() if run["state"] != "REJECTED"]
    assert not aws.batch.jobs


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """A message of S3 or EventBridge, with or without a fault."""
    key, version = draw(KEY), draw(st.sampled_from(["v1", "", None]) | ANY_TEXT)
    size = draw(st.integers(0, 10) | st.sampled_from([-1, 10**30, float("inf"), "7", "x", None]))
    if draw(st.booleans()):
        thing = {"key": key, "size": size, "version-id": version, "etag": "e"}
        detail = {"bucket": {"name": INPUT}, "object": thing}
        message: dict[str, Any] = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    else:
        key = key.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        record = s3_record(key, version=version)
        record["s3"]["object"]["size"] = size
        message = {"Records": [record]}
    if draw(st.booleans()):
        where = message
        while draw(st.booleans()):
            inner = [value for value in where.values() if isinstance(value, dict)]
            if not inner:
                break
            where = draw(st.sampled_from(inner))
        name = draw(st.sampled_from(sorted(where)))
        where[name] = draw(JSON)
    return message


@given(messages())
@settings(deadline=None, max_examples=300)
def test_any_notification_of_s3_leaves_a_trace(message: dict[str, Any]) -> None:
    aws = world()
    body = json.dumps(message)

    with traces() as said:
        dead = deliver(aws, body)

    creation = "Created" in body
    traced = dead or aws.dynamodb.runs() or any(text.startswith("ignored ") for text in said)
    assert traced or not creation or message.get("Records") == [] or message.get("Records") == {}
    for run in aws.dynamodb.runs():
        assert run["state"] == "HELD" or run["reason"]
        json.dumps(run).encode()


def toml(value: Any) -> str:
    """A value as TOML. TOML has no null: its place stays empty, which makes the text invalid."""
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case None:
            return ""
        case str() | bool():
            return json.dumps(value, ensure_ascii=False)
    return str(value)


def request_file(body: Any, form: str) -> bytes:
    """The content of a request file."""
    if form == "json":
        return json.dumps(body, default=str).encode()
    lines = [f"{json.dumps(name)} = {toml(value)}" for name, value in body.items()] if isinstance(body, dict) else []
    return "\n".join(lines or [toml(body)]).encode("utf-8", "surrogatepass")


@given(
    kind=st.sampled_from(["submit", "retry", "rerun", "reproduce", "cancel", "backfill"]),
    form=st.sampled_from(["json", "toml"]),
    body=st.dictionaries(FIELD, VALUE | st.dates() | st.datetimes(), max_size=5) | NEARLY | JSON,
    rubbish=st.none() | st.none() | st.none() | st.binary(max_size=40),
)
@settings(deadline=None, max_examples=400)
def test_any_request_starts_runs_or_is_refused_with_every_fault(
    kind: str, form: str, body: Any, rubbish: bytes | None
) -> None:
    text = request_file(body, form) if rubbish is None else rubbish
    aws = world()
    key = f"lab/submissions/{kind}.{form}"
    aws.s3.objects = {(INPUT, each): b"data" for each in THERE} | {(INPUT, key): text}

    with traces() as said:
        dead = deliver(aws, json.dumps({"Records": [s3_record(key, size=len(text))]}))

    assert not dead
    refused = [run for run in aws.dynamodb.runs() if run["input"] == keys.uri(INPUT, key)]
    started = [run for run in aws.dynamodb.runs() if run not in refused]
    if refused:
        faults = json.loads(aws.s3.objects[OUTPUT, keys.rejection_key(key)])["faults"]
        assert faults
        assert all(fault["fault"] for fault in faults)
        assert not started
    else:
        assert started or any(text.startswith("backfill ") for text in said)
        assert all(run["input"].startswith(f"s3://{INPUT}/lab/") for run in started)


JOB = st.fixed_dictionaries(
    {
        "jobName": st.just("$job") | JSON,
        "jobId": st.just("job-1") | JSON,
        "status": st.sampled_from(["RUNNING", "SUCCEEDED", "FAILED"]) | JSON,
    },
    optional={
        "statusReason": JSON,
        "container": JSON | st.dictionaries(st.sampled_from(["exitCode", "reason", "memory", "image"]), JSON),
        "arrayProperties": JSON | st.dictionaries(st.sampled_from(["index", "size"]), JSON),
        "attempts": JSON,
        "startedAt": st.integers() | JSON,
        "stoppedAt": st.integers() | JSON,
    },
)


@given(JSON.map(json.dumps) | JOB.map(lambda job: json.dumps({"detail": job})) | st.text())
@settings(deadline=None, max_examples=300)
def test_any_job_event_is_applied_or_logged_as_dropped(body: str) -> None:
    aws = world()
    make_arrival(aws).process([sqs_record({"Records": [s3_record("lab/wordcount/a")]})])
    (run,) = aws.dynamodb.runs()
    body = body.replace("$job", run["job_name"])

    with traces() as said:
        failures = run_events(aws).flow.process([sqs_record(body)])

    changed = aws.dynamodb.plain(run["id"])["state"] != "HELD"
    assert failures.ids or said or changed or '"size"' in body
