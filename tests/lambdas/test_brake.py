"""Pause, stop and resume: nothing starts during a pause, and no run is lost."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.endings import Ending
from lambdas.common.brake import Brake, BrakeError
from lambdas.ledger.table import Ledger
from tests.lambdas.conftest import DEPLOYMENT, make_arrival, run_events, sqs_record
from tests.lambdas.job_events import LATER, event, failed
from tests.lambdas.scenario import Life
from tests.lambdas.simulated_aws import SimulatedAws, error

QUEUES = [pool.queue for pool in DEPLOYMENT.pools.values()]
NOVEMBER = datetime(2026, 11, 20, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


def brake(aws: SimulatedAws, now: datetime = NOVEMBER) -> Brake:
    return Brake(Ledger(aws.dynamodb, "ledger", clock=lambda: now), batch=aws.batch, queues=QUEUES)


def paused(aws: SimulatedAws) -> bool:
    return ledger.PAUSED in aws.dynamodb.items


def test_a_pool_under_change_does_not_prevent_the_pause_of_others(aws: SimulatedAws) -> None:
    def tap(operation: str, call: Mapping[str, Any]) -> None:
        if operation == "UpdateComputeEnvironment" and call["computeEnvironment"] == f"ce-{QUEUES[0]}":
            raise error("ClientException", operation)

    aws.tap = tap
    with pytest.raises(BrakeError, match=r"not all pools are disabled: .*: try again in a minute"):
        brake(aws).pause("test", by="budget")

    assert paused(aws)
    assert set(aws.batch.queues.values()) == {"DISABLED"}
    assert aws.batch.environments == {f"ce-{QUEUES[1]}": "DISABLED"}

    aws.tap = lambda operation, call: None
    assert run_events(aws).reconcile.run(at=LATER) == {}  # the queues were off already
    assert set(aws.batch.environments.values()) == {"DISABLED"}


def test_without_queues_no_environment_is_disabled(aws: SimulatedAws) -> None:
    asked: list[Any] = []
    aws.tap = lambda operation, call: asked.append(call) if operation == "DescribeComputeEnvironments" else None
    guard = Brake(Ledger(aws.dynamodb, "ledger"), batch=aws.batch, queues=[])

    guard.pause("test", by="budget")

    # AWS returns all environments of the account when none is named.
    assert not asked


def test_a_failed_resume_leaves_the_deployment_paused(aws: SimulatedAws) -> None:
    brake(aws).pause("test", by="operator")

    def tap(operation: str, call: Mapping[str, Any]) -> None:
        if operation == "UpdateJobQueue":
            raise error("ClientException", operation)

    aws.tap = tap
    with pytest.raises(BrakeError):
        brake(aws).resume()

    assert paused(aws)


def test_a_stop_terminates_started_jobs_and_keeps_waiting_ones(aws: SimulatedAws) -> None:
    aws.batch.jobs = {
        name: {"jobId": name, "jobName": name, "jobQueue": QUEUES[0], "status": status, **more}
        for name, status, more in (
            ("running", "RUNNING", {}),
            ("starting", "STARTING", {}),
            ("waiting", "RUNNABLE", {}),
            ("array", "PENDING", {"arrayProperties": {"size": 2}}),
            ("array:0", "RUNNING", {"arrayProperties": {"index": 0}, "jobQueue": "", "arrayJobId": "array"}),
            ("array:1", "RUNNABLE", {"arrayProperties": {"index": 1}, "jobQueue": "", "arrayJobId": "array"}),
        )
    }
    ended: list[Mapping[str, Any]] = []

    def tap(operation: str, call: Mapping[str, Any]) -> None:
        if operation == "TerminateJob":
            ended.append(call)
        if operation == "UpdateComputeEnvironment":  # it is just being changed
            raise error("ClientException", operation)

    aws.tap = tap
    with pytest.raises(BrakeError):
        brake(aws).pause("test", by="budget", stop=True)

    assert sorted(call["jobId"] for call in ended) == ["array:0", "running", "starting"]
    assert {call["reason"] for call in ended} == {Ending.STOPPED}


def test_a_budget_pause_ends_with_the_month_if_the_settings_say_so(aws: SimulatedAws) -> None:
    automatic = DEPLOYMENT._replace(auto_resume=True)
    brake(aws).pause("budget spent", by="budget")

    assert run_events(aws, automatic).reconcile.run(at=NOVEMBER) == {}
    assert paused(aws)
    assert run_events(aws, DEPLOYMENT).reconcile.run(at=DECEMBER) == {}
    assert paused(aws)
    assert run_events(aws, automatic).reconcile.run(at=DECEMBER) == {"pauses ended": 1}

    assert not paused(aws)
    assert set(aws.batch.queues.values()) == set(aws.batch.environments.values()) == {"ENABLED"}


def test_a_manual_pause_does_not_end_by_itself(aws: SimulatedAws) -> None:
    brake(aws).pause("maintenance", by="operator")

    run_events(aws, DEPLOYMENT._replace(auto_resume=True)).reconcile.run(at=DECEMBER)

    assert paused(aws)


def test_a_pool_created_during_the_pause_is_paused(aws: SimulatedAws) -> None:
    brake(aws).pause("test", by="operator")
    aws.batch.queues[QUEUES[1]] = "ENABLED"
    aws.batch.environments[f"ce-{QUEUES[1]}"] = "ENABLED"

    assert run_events(aws).reconcile.run(at=LATER) == {"pools paused": 1}

    assert set(aws.batch.queues.values()) == set(aws.batch.environments.values()) == {"DISABLED"}


def test_a_resume_during_reconcile_is_not_undone(aws: SimulatedAws) -> None:
    brake(aws).pause("test", by="operator")
    aws.batch.queues.clear()
    aws.batch.environments.clear()

    def tap(operation: str, call: Mapping[str, Any]) -> None:
        if operation == "UpdateJobQueue":
            aws.dynamodb.items.pop(ledger.PAUSED, None)

    aws.tap = tap
    run_events(aws).reconcile.run(at=LATER)

    assert set(aws.batch.queues.values()) == {"ENABLED"}


def test_ten_thousand_files_dropped_during_a_pause_run_after_it(aws: SimulatedAws) -> None:
    life = Life(aws, DEPLOYMENT)
    brake(aws).pause("test", by="operator")
    for start in range(0, 10_000, 500):
        life.drop_quietly(*(f"lab/wordcount/{number}" for number in range(start, start + 500)))
    assert not aws.batch.jobs

    brake(aws).resume()
    life.reconcile.run(at=LATER)
    life.deliver()

    (job,) = aws.batch.jobs.values()
    assert job["arrayProperties"] == {"size": 10_000}
    assert {run["job_name"] for run in aws.dynamodb.runs()} == {job["jobName"]}


def test_stopped_runs_restart_after_the_pause(aws: SimulatedAws) -> None:
    life = Life(aws, DEPLOYMENT)
    job = life.drop("lab/wordcount/a", "lab/wordcount/b")
    brake(aws).pause("test", by="budget", stop=True)

    ends = [
        failed(
            {**job, "jobId": f"{job['jobId']}:{index}"}, Ending.STOPPED, f"e{index}", arrayProperties={"index": index}
        )
        for index in range(2)
    ]
    life.happens(*ends)
    assert [(run["state"], run["attempt"]) for run in aws.dynamodb.runs()] == [("HELD", 2)] * 2
    brake(aws).resume()
    life.reconcile.run(at=LATER)
    life.deliver()

    second = life.last_job()
    assert second["arrayProperties"] == {"size": 2}
    life.happens(
        *(
            event(
                {**second, "jobId": f"{second['jobId']}:{index}"},
                "SUCCEEDED",
                f"s{index}",
                arrayProperties={"index": index},
            )
            for index in range(2)
        )
    )
    assert {run["state"] for run in aws.dynamodb.runs()} == {"SUCCEEDED"}


def test_resubmit_messages_wait_for_the_end_of_the_pause(aws: SimulatedAws) -> None:
    brake(aws).pause("test", by="operator")
    body = {"dropbatch": 1, "kind": "resubmit", "job_name": "j", "lease_until": "2020-01-01T00:00:00.000Z"}

    assert not make_arrival(aws).process([sqs_record(body)]).ids
    assert not aws.batch.jobs
