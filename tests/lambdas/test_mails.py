"""Mails, one for each request or window of dropped files; and the public event."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.events import run_state_change
from dropbatch.contract.runs import State
from lambdas.run_events import tally
from lambdas.run_events.mail_texts import about_many, about_one
from lambdas.run_events.tally import Tally
from tests.lambdas.conftest import DEPLOYMENT, INPUT, OUTPUT, dropped, make_arrival, run_events, s3_record, sqs_record
from tests.lambdas.job_events import CONTAINER, event, failed, tries
from tests.lambdas.runs import make_run
from tests.lambdas.simulated_aws import SimulatedAws, error

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "run-state-change.v1.schema.json").read_text())
RUN: dict[str, Any] = {
    "id": "lab#r-0123456789abcdef0123",
    "run_id": "r-0123456789abcdef0123",
    "group": "lab",
    "pipeline": "wordcount",
    "state": "SUCCEEDED",
    "attempt": 1,
    "input": "s3://in/lab/wordcount/day 1/ä.txt",
    "output": "s3://out/lab/wordcount/day 1/ä.txt/r-0123456789abcdef0123/",
    "started_at": "2026-01-01T10:00:00.000Z",
    "stopped_at": "2026-01-01T11:02:03.000Z",
    "usage": {"vcpu_ms": 1, "mib_ms": 1, "micro_usd": 12_300},
}
TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Check a value against the parts of JSON Schema that our schema uses."""
    kinds = schema.get("type", [])
    checks = [
        not kinds or any(TYPES[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds)),
        "const" not in schema or value == schema["const"],
        "enum" not in schema or value in schema["enum"],
        not isinstance(value, str) or "pattern" not in schema or re.search(schema["pattern"], value) is not None,
        not isinstance(value, int) or value >= schema.get("minimum", value),
        not isinstance(value, list) or all(fits(each, schema.get("items", {})) for each in value),
        not isinstance(value, dict) or set(schema.get("required", ())) <= set(value),
        not isinstance(value, dict)
        or all(fits(each, schema["properties"][name]) for name, each in value.items() if "properties" in schema),
    ]
    return all(checks)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"usage": {"vcpu_ms": None, "mib_ms": None, "micro_usd": None}},
        {"state": "FAILED", "phase": "program", "reason": "exit code 3", "exit_code": 3, "log_tail": ["a"]},
        {"state": "HELD", "attempt": 2, "earlier": [{"attempt": 1, "pool": "spot", "cause": "moved", "reason": "r"}]},
    ],
)
def test_the_event_is_valid_for_its_schema(change: dict[str, Any]) -> None:
    detail = run_state_change("test", make_run({**RUN, **change}))

    assert set(SCHEMA["properties"]) == set(SCHEMA["required"]) == set(detail)
    assert fits(detail, SCHEMA)
    assert set(SCHEMA["properties"]["state"]["enum"]) == set(State)


def test_an_unknown_cost_is_shown_as_unknown() -> None:
    unknown = {**RUN, "usage": {"vcpu_ms": None, "mib_ms": None, "micro_usd": None}}

    assert run_state_change("test", make_run(RUN))["cost_usd"] == "0.0123"
    assert run_state_change("test", make_run(unknown))["cost_usd"] == "unknown"
    assert "Cost:     unknown" in about_one(make_run(unknown), region="eu-central-1", bucket="out").body


def test_a_mail_gives_result_place_duration_and_cost() -> None:
    letter = about_one(make_run(RUN), region="eu-central-1", bucket="out")

    assert letter.subject == "wordcount: a.txt is done"
    assert f"Result:\n  {RUN['output']}\n  https://" in letter.body
    assert "https://eu-central-1.console.aws.amazon.com/s3/buckets/out?region=eu-central-1&prefix=lab/" in letter.body
    assert "Time:     1 h 2 min 3 s" in letter.body
    assert "Cost:     about 0.01 USD" in letter.body


def test_a_mail_about_a_failure_gives_phase_reason_and_last_lines() -> None:
    run = {
        **RUN,
        "state": "FAILED",
        "output": "",
        "phase": "program",
        "reason": "program: exit code 3",
        "log_tail": ["one", "two"],
        "not_started": ["plot"],
    }

    body = about_one(make_run(run), region="eu-central-1", bucket="out").body

    assert "Reason:   exit code 3\nPhase:    program\n" in body
    assert "Pipelines that do not run because of this: plot" in body
    assert body.index("  one\n  two") > body.index("The last 2 lines of its log:")


def test_a_mail_about_many_runs_gives_counts_and_a_list() -> None:
    bad = {**RUN, "state": "FAILED", "reason": "program: exit code 3", "output": ""}
    good = [{**RUN, "output": f"s3://out/lab/wordcount/x/{number}/"} for number in range(982)]

    letter = about_many(
        Tally.of(map(make_run, [*good, *[bad] * 18])), region="eu-central-1", failures="s3://out/lab/_reports/x.json"
    )

    assert letter.subject == "wordcount: 982 of 1,000 succeeded"
    assert "Results:\n  s3://out/lab/wordcount/x/\n" in letter.body
    assert "s3://out/lab/_reports/x.json" in letter.body
    assert "18 did not succeed (18 failed):\n  18 x program: exit code 3 (for example ä.txt)" in letter.body


def test_a_long_list_of_failures_is_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "LISTED", 3)
    monkeypatch.setattr(tally, "_MAX_REASONS", 2)
    bad = [{**RUN, "state": "FAILED", "reason": f"reason {number}", "output": ""} for number in range(6)]

    runs = Tally.of(map(make_run, [*bad, bad[0]]))
    body = about_many(runs, region="eu-central-1", failures="s3://out/lab/_reports/x.json").body

    assert len(runs.failures) == 3
    assert "List of the first 3 of them:\n  s3://out/lab/_reports/x.json" in body
    assert "7 did not succeed (7 failed):\n  4 x for some other reason (for example ä.txt)\n  2 x reason 0 " in body


def test_a_mail_about_many_runs_gives_the_most_frequent_reasons_first() -> None:
    states = ["FAILED"] * 6 + ["CANCELLED"] * 3 + ["REJECTED"]
    reasons = ["a", "b", "c", "d", "e", "e", "cancelled on request", "cancelled on request", "f", "g"]
    bad = [{**RUN, "state": state, "reason": reason} for state, reason in zip(states, reasons, strict=True)]

    body = about_many(Tally.of(map(make_run, bad)), region="eu-central-1", failures="s3://out/lab/_reports/x.json").body

    assert "10 did not succeed (6 failed, 1 rejected, 3 cancelled):\n  2 x e " in body
    assert "  and 3 other reasons" in body


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        ({"vcpu_ms": 1, "mib_ms": 1, "micro_usd": 12_300_000}, "about 12.30 USD"),
        ({"vcpu_ms": 1, "mib_ms": 1, "micro_usd": 0}, "less than 0.01 USD"),
        ({"vcpu_ms": 1, "mib_ms": 1, "micro_usd": 9_999}, "less than 0.01 USD"),
        ({"vcpu_ms": 1, "mib_ms": 1, "micro_usd": None}, "unknown"),
        ({"vcpu_ms": None, "mib_ms": None, "micro_usd": None}, "unknown"),
        ({"vcpu_ms": 0, "mib_ms": 0, "micro_usd": 0}, "none: nothing ran"),
    ],
)
def test_a_cost_is_never_shown_as_zero(usage: dict[str, Any], said: str) -> None:
    run = {**RUN, "usage": usage}

    assert f"Cost:     {said}\n" in about_one(make_run(run), region="eu-central-1", bucket="out").body
    assert f"Cost:    {said}\n" in about_many(Tally.of([make_run(run)]), region="eu-central-1", failures=None).body


def test_a_mail_about_a_refused_request_gives_the_faults_and_their_place() -> None:
    key = "lab/submissions/sweep/submit.json"
    run = {
        **{name: RUN[name] for name in ("id", "run_id", "group", "attempt")},
        "pipeline": "submissions",
        "state": "REJECTED",
        "input": f"s3://in/{key}",
        "request": key,
        "reason": f"inputs: is required: see s3://out/{key}/_rejected.json",
    }

    letter = about_one(make_run(run), region="eu-central-1", bucket="out")

    assert letter.subject == "request rejected: sweep/submit.json"
    assert letter.body.startswith("The request sweep/submit.json was rejected: nothing was started (group lab).")
    assert "Reason:   inputs: is required\n" in letter.body
    assert f"s3/object/out?region=eu-central-1&prefix={key}/_rejected.json" in letter.body
    assert "Cost" not in letter.body


def test_a_mail_about_a_run_over_the_limit_says_how_to_retry() -> None:
    run = {
        **RUN,
        "state": "REJECTED",
        "attempt": 0,
        "output": "",
        "over_limit": "2026-01",
        "reason": "the limit is used",
    }

    body = about_one(make_run(run), region="eu-central-1", bucket="out").body

    assert "Reason:   the limit is used\n" in body
    assert f"dropbatch retry {RUN['run_id']}" in body
    assert "_rejected.json" not in body


def test_a_mail_about_several_pipelines_names_the_folder_of_each() -> None:
    runs = [
        {**RUN, "pipeline": name, "output": f"s3://out/lab/{name}/{number}/"}
        for name in ("first", "second")
        for number in range(2)
    ]

    body = about_many(Tally.of(map(make_run, runs)), region="eu-central-1", failures=None).body

    assert body.startswith("4 of 4 succeeded (pipelines first, second, group lab).")
    assert "\n  s3://out/lab/first/\n" in body
    assert "\n  s3://out/lab/second/\n" in body


def test_subjects_are_valid_for_sns() -> None:
    subject = about_one(
        make_run({**RUN, "input": f"s3://in/lab/wordcount/{'ü' * 200}\n"}), region="x", bucket="out"
    ).subject

    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_single_drop_is_mailed_at_once_and_once(aws: SimulatedAws, clock: Clock) -> None:
    parts = run_events(aws, clock=clock)
    make_arrival(aws).process([dropped("lab/wordcount/a")])
    (job,) = aws.batch.jobs.values()

    for number in range(2):
        parts.flow.process([event(job, "SUCCEEDED", f"e{number}", container=CONTAINER, attempts=tries(1))])
    clock.now += timedelta(hours=1)
    parts.reconcile.run(at=clock.now)

    (mail,) = aws.sns.mails
    assert mail["Subject"] == "wordcount: a is done"


def test_a_drop_of_many_is_mailed_once_after_the_last_run_ended(aws: SimulatedAws, clock: Clock) -> None:
    parts = run_events(aws, clock=clock)
    make_arrival(aws).process([dropped(*(f"lab/wordcount/{number}" for number in range(4)))])
    (job,) = aws.batch.jobs.values()

    def end(index: int, status: str) -> None:
        child = {**job, "jobId": f"{job['jobId']}:{index}"}
        place: Any = {"arrayProperties": {"index": index}}
        one = event(child, status, **place) if status == "SUCCEEDED" else failed(child, "Task failed", **place)
        assert not parts.flow.process([one]).ids

    for index in range(3):
        end(index, "SUCCEEDED")
    clock.now += timedelta(hours=1)
    parts.reconcile.run(at=clock.now)
    assert not aws.sns.mails

    end(3, "FAILED")
    for _ in range(2):
        parts.reconcile.run(at=clock.now)

    (mail,) = aws.sns.mails
    assert mail["Subject"] == "wordcount: 3 of 4 succeeded"
    (key,) = [key for bucket, key in aws.s3.objects if bucket == OUTPUT and "/_reports/" in key]
    assert len(json.loads(aws.s3.objects[OUTPUT, key])["failures"]) == 1


def test_a_refused_request_is_mailed_without_waiting_for_the_window(aws: SimulatedAws, clock: Clock) -> None:
    parts = run_events(aws, clock=clock)
    aws.s3.objects[INPUT, "lab/submissions/submit.json"] = b"{}"

    for version in ("v1", "v2"):  # mended badly: each is a request of its own
        record = s3_record("lab/submissions/submit.json", version=version)
        make_arrival(aws).process([sqs_record({"Records": [record]})])
        clock.now += timedelta(minutes=1)
        parts.reconcile.run(at=clock.now)

    assert [mail["Subject"] for mail in aws.sns.mails] == ["request rejected: submit.json"] * 2


def test_refused_files_are_mailed_together_with_the_rest_of_their_drop(aws: SimulatedAws, clock: Clock) -> None:
    parts = run_events(aws, clock=clock)
    make_arrival(aws).process([dropped("lab/wordcont/a", "lab/wordcont/b")])

    clock.now += timedelta(hours=1)
    parts.reconcile.run(at=clock.now)

    (mail,) = aws.sns.mails
    assert mail["Subject"] == "wordcont: 0 of 2 succeeded"


def test_a_mail_about_a_request_includes_runs_claimed_before_the_first_end(aws: SimulatedAws) -> None:
    clock = Clock()
    parts = run_events(aws, clock=clock)
    aws.s3.objects |= {(INPUT, "lab/inputs/a"): b"data", (INPUT, "lab/inputs/b"): b"data"}
    body = json.dumps({"pipeline": "wordcount", "inputs": "lab/inputs/*"}).encode()
    aws.s3.objects[INPUT, "lab/submissions/submit.json"] = body
    record = s3_record("lab/submissions/submit.json", size=len(body))
    assert not make_arrival(aws).process([sqs_record({"Records": [record]})]).ids
    (job,) = aws.batch.jobs.values()
    first, _ = aws.dynamodb.run_items()
    earlier = ledger.timestamp(clock.now - timedelta(minutes=15))
    first |= {"created_at": {"S": earlier}, "day": {"S": ledger.day_key("lab", earlier[:10], first["run_id"]["S"])}}

    for index in (1, 0):
        child = {**job, "jobId": f"{job['jobId']}:{index}"}
        assert not parts.flow.process([event(child, "SUCCEEDED", arrayProperties={"index": index})]).ids
    clock.now += timedelta(hours=1)
    parts.reconcile.run(at=clock.now)

    assert [mail["Subject"] for mail in aws.sns.mails] == ["wordcount: 2 of 2 succeeded"]


def test_the_same_request_put_again_is_mailed_again(aws: SimulatedAws, clock: Clock) -> None:
    parts = run_events(aws, clock=clock)
    aws.s3.objects[INPUT, "lab/inputs/a"] = b"data"
    body = json.dumps({"pipeline": "wordcount", "inputs": "lab/inputs/a"}).encode()
    aws.s3.objects[INPUT, "lab/submissions/submit.json"] = body

    for version in ("v1", "v2"):
        arrival = make_arrival(aws)
        record = s3_record("lab/submissions/submit.json", version=version, size=len(body))
        assert not arrival.process([sqs_record({"Records": [record]})]).ids
        *_, job = aws.batch.jobs.values()
        parts.flow.process([event(job, "SUCCEEDED", version)])
        clock.now += timedelta(hours=1)
        parts.reconcile.run(at=clock.now)

    assert [mail["Subject"] for mail in aws.sns.mails] == ["wordcount: a is done"] * 2


def test_a_failed_mail_is_sent_later(aws: SimulatedAws, clock: Clock) -> None:
    parts = run_events(aws, clock=clock)
    make_arrival(aws).process([dropped("lab/wordcount/a")])
    (job,) = aws.batch.jobs.values()

    def tap(operation: str, call: Any) -> None:
        if operation == "Publish":
            raise error("Throttled", operation)

    aws.tap = tap
    parts.flow.process([event(job, "SUCCEEDED")])
    aws.tap = lambda operation, call: None
    clock.now += timedelta(days=1)
    parts.reconcile.run(at=clock.now)

    assert [mail["Subject"] for mail in aws.sns.mails] == ["wordcount: a is done"]
    assert DEPLOYMENT.mail_window_minutes == 10


def test_operators_are_mailed_about_a_blocked_queue_in_plain_text(aws: SimulatedAws) -> None:
    flow = run_events(aws).flow
    reason = 'CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - "spot" has none\nof it'
    job = {"jobName": "j", "jobId": "4c7599ae", "status": "RUNNABLE", "statusReason": reason}
    job["jobQueue"] = "arn:aws:batch:eu-central-1:000000000000:job-queue/dropbatch-test-spot"
    body = {"source": "aws.batch", "detail-type": "Batch Job Queue Blocked", "detail": job}
    state = {**body, "detail-type": "Batch Job State Change"}

    answer = flow.process([sqs_record(body, "m1"), sqs_record(state, "m2"), sqs_record({**body, "detail": {}}, "m3")])

    (mail,) = aws.sns.mails
    assert mail["Subject"] == "job queue dropbatch-test-spot is blocked"
    assert mail["Message"].startswith("Job queue dropbatch-test-spot is blocked: ")
    assert f"Job:      4c7599ae\nReason:   {reason}" in mail["Message"]
    assert answer.ids == set()


def test_a_failed_mail_about_a_blocked_queue_is_sent_again(aws: SimulatedAws) -> None:
    def tap(operation: str, call: Any) -> None:
        if operation == "Publish":
            raise error("Throttling", operation)

    aws.tap = tap
    job = {"jobId": "4c7599ae", "jobQueue": "arn:aws:batch:eu-central-1:000000000000:job-queue/q"}
    record = sqs_record({"detail-type": "Batch Job Queue Blocked", "detail": job}, "m1")

    flow = run_events(aws).flow

    assert flow.process([record]).ids == {"m1"}
