"""A large ledger: reconcile reads one slice at a time and continues in the next round; mails read what they need."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.items import Run
from lambdas.common.failures import Failures
from lambdas.run_events.flow import Outcome
from lambdas.run_events.reconcile import Reconcile
from tests.lambdas.conftest import OUTPUT, run_events
from tests.lambdas.simulated_aws import PAGE, SimulatedAws

RUNS = 3000
PER_JOB = 2
SLICE = 300
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = BEGAN + timedelta(days=1)


def put(aws: SimulatedAws, number: int, touched: datetime) -> None:
    run_id = f"r-{number:020x}"
    item = {
        "id": ledger.run_key("lab", run_id),
        "run_id": run_id,
        "group": "lab",
        "pipeline": "wordcount",
        "state": "HELD",
        "attempt": 1,
        "order": 10,
        "input": "s3://in/lab/wordcount/a",
        "version_id": "v1",
        "size": 3,
        "job_name": f"job-{number // PER_JOB}",
        "pool": "spot",
        "created_at": ledger.timestamp(touched),
        "day": ledger.day_key("lab", ledger.timestamp(touched)[:10], run_id),
        "updated_at": ledger.timestamp(touched),
        "unfinished": ledger.unfinished_key(run_id),
    }
    aws.dynamodb.items[str(item["id"])] = ledger.to_item(item)


@pytest.fixture
def reconcile(aws: SimulatedAws) -> Reconcile:
    """The ledger of a deployment in which many runs wait for jobs that do not exist."""
    for number in range(RUNS):
        put(aws, number, BEGAN + timedelta(seconds=number // PER_JOB))
    return run_events(aws, slice_size=SLICE).reconcile


def asked(aws: SimulatedAws) -> Counter[str]:
    bodies = [json.loads(message["MessageBody"]) for message in aws.sqs.sent]
    return Counter(run["run_id"] for body in bodies for run in body["runs"])


def late_after(checks: int) -> Callable[[], bool]:
    """A clock that says after this many calls that time is over."""
    looks = iter(range(checks))
    return lambda: next(looks, None) is None


def reading(aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the sizes of the pages that queries return."""
    read: list[int] = []
    original = aws.dynamodb._query

    def query(**call: Any) -> Iterator[dict[str, Any]]:
        for page in original(**call):
            read.append(len(page["Items"]))
            yield page

    monkeypatch.setattr(aws.dynamodb, "_query", query)
    return read


def test_only_one_slice_is_in_memory(aws: SimulatedAws, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch) -> None:
    read = reading(aws, monkeypatch)
    written = ahead = 0

    def tap(operation: str, call: Mapping[str, Any]) -> None:
        nonlocal written, ahead
        if operation == "SendMessage":
            ahead = max(ahead, sum(read) - written)
            written += len(json.loads(call["MessageBody"])["runs"])

    aws.tap = tap

    assert reconcile.run(at=LATER) == {"held runs asked for again": RUNS}

    assert sum(read) == RUNS
    assert ahead <= SLICE + PER_JOB + PAGE * ledger.SHARDS


def test_runs_beyond_the_time_limit_are_left_to_the_next_rounds(aws: SimulatedAws, reconcile: Reconcile) -> None:
    everybody = {run["run_id"] for run in aws.dynamodb.runs()}
    rounds = 0
    while set(asked(aws)) != everybody:
        reconcile.run(at=LATER, spent=late_after(6))
        rounds += 1
        assert rounds < 20

    assert rounds > 2
    # No slice is read twice before the others, except one that was interrupted.
    assert sum(asked(aws).values()) <= RUNS + rounds * SLICE


def test_a_slice_that_never_fits_does_not_delay_the_others(aws: SimulatedAws) -> None:
    for number in range(1500):  # of one moment, and so one slice; time is enough for a third of it
        put(aws, number, BEGAN)
    put(aws, 1500, BEGAN + timedelta(minutes=1))
    reconcile = run_events(aws, slice_size=SLICE).reconcile

    for _ in range(3):
        reconcile.run(at=LATER, spent=late_after(2))

    assert f"r-{1500:020x}" in asked(aws)


def test_a_round_starts_over_after_the_last_runs(aws: SimulatedAws, reconcile: Reconcile) -> None:
    reconcile.run(at=LATER, spent=late_after(3))
    assert ledger.RECONCILED in aws.dynamodb.items

    reconcile.run(at=LATER)
    assert ledger.RECONCILED not in aws.dynamodb.items
    assert sum(asked(aws).values()) < 2 * RUNS

    before = sum(asked(aws).values())
    reconcile.run(at=LATER)
    assert sum(asked(aws).values()) == before + RUNS


def test_a_large_window_is_read_only_as_far_as_necessary(aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(RUNS):
        put(aws, number, BEGAN + timedelta(milliseconds=number))
    parts = run_events(aws, clock=lambda: LATER)
    ended = aws.dynamodb.runs()[0] | {"state": "SUCCEEDED", "order": 19, "output": "s3://out/lab/wordcount/a/"}
    aws.dynamodb.items[ended["id"]] = ledger.to_item(ended)
    read = reading(aws, monkeypatch)

    parts.flow.follow_up([Outcome(publish=Run.from_item(ended))])
    assert sum(read) <= PAGE  # enough to see that it is not alone

    for item in aws.dynamodb.runs():
        aws.dynamodb.items[item["id"]] = ledger.to_item(item | {"state": "SUCCEEDED", "output": ended["output"]})
    (window,) = [key for key in aws.dynamodb.items if "#mail#" in key]
    last = f"r-{RUNS - 1:020x}"
    late = aws.dynamodb.items[ledger.run_key("lab", last)]
    late["state"] = {"S": "RUNNING"}
    parts.reconcile._mails.send_due(at=LATER, failures=Failures())
    assert not aws.sns.mails

    late["state"] = {"S": "SUCCEEDED"}
    parts.reconcile._mails.send_due(at=LATER, failures=Failures())
    assert [mail["Subject"] for mail in aws.sns.mails] == [f"wordcount: {RUNS:,} of {RUNS:,} succeeded"]
    assert "unfinished" not in aws.dynamodb.items[window]


def test_a_window_too_large_for_one_round_is_counted_over_several(aws: SimulatedAws) -> None:
    for number in range(RUNS):
        put(aws, number, BEGAN + timedelta(milliseconds=number // 3))  # some of one moment
    for number, item in enumerate(aws.dynamodb.runs()):
        end = {"state": "SUCCEEDED", "output": f"s3://out/lab/wordcount/{number}/"}
        if number % 100 == 0:
            end = {"state": "FAILED", "reason": f"reason {number % 7}"}
        aws.dynamodb.items[item["id"]] = ledger.to_item(item | end | {"input": "s3://in/lab/wordcount/a", "order": 19})
    ended = aws.dynamodb.runs()[1]
    parts = run_events(aws, clock=lambda: LATER)
    parts.flow.follow_up([Outcome(publish=Run.from_item(ended))])
    (window,) = (key for key in aws.dynamodb.items if "#mail#" in key)
    small = aws.dynamodb.plain(window) | {
        "id": "lab#mail#limit-2026-01-01",
        "kind": "limit",
        "month": "2026-01",
        "reason": "r",
    }
    aws.dynamodb.items[small["id"]] = ledger.to_item(
        small | {"limit": "1", "remaining": "0", "updated_at": ledger.timestamp(LATER - timedelta(seconds=1))}
    )

    rounds = 0
    while len(aws.sns.mails) < 2:
        rounds += 1
        failures = Failures()
        # Time for the first page of a round, and to read the next.
        parts.reconcile._mails.send_due(
            at=LATER + timedelta(seconds=rounds), failures=failures, is_over=late_after(2 if rounds > 1 else 3)
        )
        assert not failures.ids
        assert rounds < 30

    other, mail = (each["Subject"] for each in aws.sns.mails)
    assert other == "group lab: over the limit of 2026-01"  # which is not kept waiting
    assert mail == f"wordcount: {RUNS - RUNS // 100:,} of {RUNS:,} succeeded"
    assert rounds > 5
    (key,) = (key for _, key in aws.s3.objects if "/_reports/" in key)
    report = json.loads(aws.s3.objects[OUTPUT, key])
    assert (len({each["run_id"] for each in report["failures"]}), report["complete"]) == (RUNS // 100, True)
    assert "\n  5 x reason " in aws.sns.mails[1]["Message"]
