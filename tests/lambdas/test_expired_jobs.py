"""Batch deletes a job about a week after its end: runs whose end event was lost still end, or get another attempt."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.keys import started_key
from lambdas.run_events.job_events import EXPIRED
from tests.lambdas.conftest import DEPLOYMENT, OUTPUT
from tests.lambdas.scenario import Life, usage_of_month
from tests.lambdas.simulated_aws import SimulatedAws

IN_A_WEEK = datetime.now(UTC) + timedelta(days=8)


@pytest.fixture
def life(aws: SimulatedAws) -> Life:
    return Life(aws, DEPLOYMENT)


def started(life: Life, run: dict[str, Any], job_id: str) -> None:
    key = started_key(run["group"], run["pipeline"], run["run_id"], run["attempt"])
    life.aws.s3.objects[OUTPUT, key] = job_id.encode()


def left_record(life: Life, run: dict[str, Any], **fields: Any) -> None:
    record = {"attempt": run["attempt"], "started_at": "2026-01-01T00:00:00.000Z", **fields}
    life.aws.s3.objects[OUTPUT, f"{run['output_prefix']}_run.json"] = json.dumps(record).encode()


def forget(life: Life) -> None:
    life.aws.batch.jobs.clear()


def test_the_record_decides_the_end_of_an_expired_job(life: Life) -> None:
    job = life.drop("lab/wordcount/a", "lab/wordcount/b", "lab/wordcount/c")
    ends: tuple[dict[str, Any], ...] = (
        {"status": "SUCCEEDED", "stopped_at": "2026-01-01T00:01:00.000Z"},
        {"status": "FAILED", "phase": "program", "reason": "exit code 3", "exit_code": 3},
        {"status": "SUCCEEDED"},
    )
    for index, (run, end) in enumerate(zip(life.aws.dynamodb.runs(), ends, strict=True)):
        started(life, run, f"{job['jobId']}:{index}")
        left_record(life, run, **end)
    forget(life)

    assert life.reconcile.run(at=IN_A_WEEK)["states read from Batch"] == 3
    assert life.reconcile.run(at=IN_A_WEEK) == {}

    good, bad, _ = runs = life.aws.dynamodb.runs()
    assert [run["state"] for run in runs] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert good["stopped_at"] == "2026-01-01T00:01:00.000Z"
    assert bad["reason"] == "program: exit code 3"
    assert len(life.aws.events.entries) == 3
    # Only Batch knew their usage.
    assert {run["usage"]["vcpu_ms"] for run in runs} == {None}


def test_an_expired_job_without_a_record_is_retried_once_and_then_failed(life: Life) -> None:
    first = life.drop("lab/wordcount/a")
    started(life, life.run, first["jobId"])
    forget(life)

    life.reconcile.run(at=IN_A_WEEK)
    life.deliver()

    second = life.last_job()
    assert (life.run["attempt"], life.run["job_name"]) == (2, second["jobName"])
    assert [(each["cause"], each["pool"]) for each in life.run["earlier"]] == [("forgotten", "spot")]
    assert "unfinished" in life.run

    forget(life)
    life.reconcile.run(at=IN_A_WEEK)

    run = life.run
    assert (run["state"], run["attempt"]) == ("FAILED", 2)
    assert run["reason"].startswith(EXPIRED)
    record = json.loads(life.aws.s3.objects[OUTPUT, f"{run['output_prefix']}_run.json"])
    assert (record["phase"], record["attempt"]) == ("lost", 2)


def test_a_record_of_an_earlier_attempt_is_ignored(life: Life) -> None:
    life.drop("lab/wordcount/a")
    left_record(life, {**life.run, "attempt": 0}, status="SUCCEEDED")
    forget(life)

    life.reconcile.run(at=IN_A_WEEK)

    assert (life.run["state"], life.run["attempt"]) == ("HELD", 2)


def test_an_expired_job_of_a_run_being_cancelled_is_cancelled(life: Life) -> None:
    life.drop("lab/wordcount/a")
    life.aws.dynamodb.items[life.run["id"]]["cancel"] = {"S": "lab/submissions/cancel.json@v1"}
    forget(life)

    life.reconcile.run(at=IN_A_WEEK)

    assert life.run["state"] == "CANCELLED"


def test_an_expired_job_that_lost_its_fence_takes_the_record_of_the_winner(life: Life) -> None:
    life.drop("lab/wordcount/a")
    started(life, life.run, "job-of-before")
    left_record(life, life.run, status="SUCCEEDED")
    forget(life)

    life.reconcile.run(at=IN_A_WEEK)

    assert (life.run["state"], life.run["job_id"]) == ("SUCCEEDED", "job-of-before")


def test_a_job_that_batch_does_not_list_yet_is_waited_for(life: Life) -> None:
    life.drop("lab/wordcount/a")
    forget(life)

    assert life.reconcile.run(at=ledger.utc_now() + timedelta(hours=1)) == {}

    assert (life.run["state"], life.run["attempt"]) == ("HELD", 1)


def test_usage_of_an_expired_job_is_counted_once_as_unknown(life: Life) -> None:
    job = life.drop("lab/wordcount/a")
    started(life, life.run, job["jobId"])
    left_record(life, life.run, status="SUCCEEDED", stopped_at="2023-11-14T00:00:00.000Z")
    forget(life)

    for _ in range(3):
        life.reconcile.run(at=IN_A_WEEK)

    usage = usage_of_month(life.aws)["wordcount"]
    assert (usage.attempts, usage.unknown_time, usage.unknown_cost) == (1, 1, 1)
