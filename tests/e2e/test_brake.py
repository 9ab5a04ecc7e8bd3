"""Ending running jobs: by a request, by a stop, and by a pause that the spend guard did not complete."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.runs import State
from tests.e2e.lab import Lab, until

pytestmark = pytest.mark.e2e


def running(lab: Lab, run: str, attempt: int = 1) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        item = lab.run(run)
        return item if item and (item["state"], item["attempt"]) == (State.RUNNING, attempt) else None

    return until(found, f"attempt {attempt} of {run} to run", seconds=200)


def cancel(lab: Lab, run: str) -> dict[str, Any]:
    key = f"lab/submissions/{uuid.uuid4().hex}/cancel.json"
    lab.s3.put_object(Bucket=lab.pointers["input_bucket"], Key=key, Body=json.dumps({"runs": [run]}))
    return lab.ended(run)


@pytest.fixture
def endless(lab: Lab) -> Iterator[str]:
    """Start a run of a program that does not end by itself."""
    run = lab.drop(f"lab/script/{uuid.uuid4().hex}.sh", b"sleep 3600\n")
    running(lab, run)
    yield run
    if not State((lab.run(run) or {})["state"]).final:
        cancel(lab, run)


def switched(lab: Lab) -> set[str]:
    """Return the states of the deployment's queues and compute environments."""
    batch = lab.client("batch")
    queues = batch.describe_job_queues(jobQueues=sorted(lab.pointers["pools"].values()))["jobQueues"]
    names = [each["computeEnvironment"] for queue in queues for each in queue["computeEnvironmentOrder"]]
    environments = batch.describe_compute_environments(computeEnvironments=names)["computeEnvironments"]
    return {each["state"] for each in [*queues, *environments]}


def test_a_running_run_is_cancelled_on_request(lab: Lab, endless: str) -> None:
    ended = cancel(lab, endless)

    assert (ended["state"], ended["attempt"]) == (State.CANCELLED, 1)
    (job,) = lab.client("batch").describe_jobs(jobs=[lab.record(ended)["job_id"]])["jobs"]
    assert job["status"] == "FAILED"


def test_a_stop_ends_running_runs_which_restart_afterwards(lab: Lab, endless: str) -> None:
    lab.guard("stop")
    try:
        until(lambda: (lab.run(endless) or {})["state"] == State.HELD or None, "the run to be held again")
        assert switched(lab) == {"DISABLED"}
    finally:
        lab.guard("resume")

    assert switched(lab) == {"ENABLED"}
    assert running(lab, endless, attempt=2)["earlier"][0]["cause"] == "stopped"


def test_reconcile_completes_a_stop_whose_spend_guard_died(lab: Lab, endless: str) -> None:
    now = ledger.timestamp(ledger.utc_now())
    flag = {"id": ledger.PAUSED, "since": now, "reason": "a test", "by": "budget", "stop": True}
    lab.dynamodb.put_item(TableName=lab.pointers["ledger_table"], Item=ledger.to_item(flag))
    try:
        assert switched(lab) == {"ENABLED"}

        def stopped() -> bool | None:
            lab.reconcile()
            return (lab.run(endless) or {})["state"] == State.HELD or None

        until(stopped, "reconcile to stop the run")
        assert switched(lab) == {"DISABLED"}
    finally:
        lab.guard("resume")

    running(lab, endless, attempt=2)
