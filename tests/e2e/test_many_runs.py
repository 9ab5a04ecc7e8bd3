"""Thousands of runs whose jobs end by themselves (the stub runner): no capacity, lost events, pauses, chains."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.runs import State
from tests.e2e.lab import Lab, until

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

MANY = int(os.environ.get("DROPBATCH_CROWD_RUNS", "10000"))
THOUSAND = min(1000, MANY)
_LONG = 1800  # seconds; a busy machine takes its time
_MONTH = 30 * 86_400
_SPEED = _MONTH / 30
_PLACED = ("STARTING", "RUNNING", "SUCCEEDED", "FAILED")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Crowd"]:
    saved = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    lab = Lab(tmp_path_factory.mktemp("crowd"), runner="stub")
    try:
        lab.deploy()
        yield Crowd(lab)
    finally:
        lab.sandbox.destroy_state()
        os.environ.update(saved)


class Crowd:
    """Many runs of one lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.control = lab.sandbox.control
        self.batch = lab.client("batch")

    def ask(self, runs: int, name: str) -> None:
        """Put one request for so many runs over one file, in tens."""
        bucket = self.lab.pointers["input_bucket"]
        self.lab.s3.put_object(Bucket=bucket, Key=f"lab/inputs/{name}.txt", Body=b"word\n")
        grid = {"ten": list(range(10)), "rest": list(range(runs // 10))}
        body = {"pipeline": "wordcount", "inputs": f"lab/inputs/{name}.txt", "name": name, "parameters": grid}
        self.lab.s3.put_object(Bucket=bucket, Key=f"lab/submissions/{name}/submit.json", Body=json.dumps(body))
        eventually(lambda: len(self.runs(name)) == runs, f"{runs} runs to be claimed")

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Return the relevant fields of a request's runs."""
        pages = self.lab.dynamodb.get_paginator("scan").paginate(
            TableName=self.lab.pointers["ledger_table"],
            FilterExpression="#name = :name",
            ProjectionExpression="run_id, #state, attempt, #pool, job_name",
            ExpressionAttributeNames={"#name": "name", "#state": "state", "#pool": "pool"},
            ExpressionAttributeValues=ledger.to_item({":name": name}),
        )
        return [ledger.from_item(item) for page in pages for item in page["Items"]]

    def states(self, name: str) -> Counter[str]:
        return Counter(run["state"] for run in self.runs(name))

    def jobs(self, name: str) -> list[dict[str, Any]]:
        """Return the jobs of runs, as Batch describes them; forgotten jobs are missing."""
        names = {run["job_name"] for run in self.runs(name)}
        found = [item for each in names if (item := self.item(ledger.job_key(each)))]
        ids = [item["job_id"] for item in found if "job_id" in item]
        parts = [ids[start : start + 100] for start in range(0, len(ids), 100)]
        return [job for part in parts for job in self.batch.describe_jobs(jobs=part)["jobs"]]

    def item(self, key: str) -> dict[str, Any] | None:
        """Return any item of the ledger."""
        table = self.lab.pointers["ledger_table"]
        item = self.lab.dynamodb.get_item(TableName=table, Key=ledger.to_item({"id": key})).get("Item")
        return ledger.from_item(item) if item else None

    def placed(self, name: str) -> int:
        """Return the number of containers started so far."""
        jobs = self.jobs(name)
        summaries = [job["arrayProperties"]["statusSummary"] for job in jobs if "arrayProperties" in job]
        singles = [job["status"] for job in jobs if "arrayProperties" not in job]
        started = sum(int(summary.get(each, 0)) for summary in summaries for each in _PLACED)
        return started + sum(status in _PLACED for status in singles)

    def all_done(self, name: str) -> int:
        """Wait until all runs have succeeded; return the number of reconcile rounds that repaired something.

        A round begins when the messages of the one before have arrived.
        """
        rounds = 0

        def done() -> bool:
            nonlocal rounds
            if self.is_quiet():
                rounds += bool(self.lab.reconcile())
            return set(self.states(name)) == {State.SUCCEEDED}

        eventually(done, f"all runs of {name} to succeed")
        return rounds

    def is_quiet(self) -> bool:
        """Return whether no message is in flight."""
        sqs = self.lab.client("sqs")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        urls = sqs.list_queues(QueueNamePrefix="dropbatch-sandbox-")["QueueUrls"]
        found = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] for url in urls]
        return not any(int(each[name]) for each in found for name in names)

    def month_passes(self) -> None:
        """Wait by Batch's clock."""
        self.control({"clock": _SPEED})
        over = time.monotonic() + _MONTH / _SPEED
        eventually(lambda: time.monotonic() > over, "a month of Batch's clock")
        self.control({"clock": 1})


def eventually(holds: Callable[[], bool], what: str) -> None:
    until(lambda: holds() or None, what, seconds=_LONG, every=2)


@pytest.fixture(autouse=True)
def calm(crowd: Crowd) -> Iterator[None]:
    """Clear every fault, the pause and exhausted pools afterwards."""
    yield
    crowd.control({"clear": True})
    crowd.control({"clock": 1})
    crowd.lab.guard("resume")
    flag = ledger.to_item({"id": ledger.exhausted_key("spot")})
    crowd.lab.dynamodb.delete_item(TableName=crowd.lab.pointers["ledger_table"], Key=flag)


def test_a_thousand_runs_without_capacity_complete_on_the_next_pool_within_a_few_rounds(crowd: Crowd) -> None:
    crowd.control({"fault": "no-capacity", "queue": "dropbatch-sandbox-spot"})
    crowd.ask(THOUSAND, "dry")
    crowd.control({"clock": 100})
    eventually(lambda: crowd.item(ledger.exhausted_key("spot")) is not None, "the pool to be marked dry")
    crowd.control({"clock": 1})

    rounds = crowd.all_done("dry")

    runs = crowd.runs("dry")
    assert {(run["pool"], run["attempt"]) for run in runs} == {("ondemand", 2)}
    assert rounds <= 5


def test_reconcile_repairs_the_loss_of_every_event(crowd: Crowd) -> None:
    crowd.control({"fault": "drop-events", "times": 0})
    crowd.ask(THOUSAND, "lost")
    eventually(lambda: {job["status"] for job in crowd.jobs("lost")} == {"SUCCEEDED"}, "Batch to be done")
    assert set(crowd.states("lost")) == {State.HELD}

    rounds = crowd.all_done("lost")

    assert {run["attempt"] for run in crowd.runs("lost")} == {1}
    assert rounds <= 5


def test_nothing_starts_during_a_month_of_pause_and_everything_ends_after_it(crowd: Crowd) -> None:
    crowd.control({"fault": "slow-start", "queue": "dropbatch-sandbox-spot", "seconds": 5, "times": 0})
    crowd.ask(MANY, "paused")
    eventually(lambda: crowd.placed("paused") > 0, "the first to be placed")

    crowd.lab.guard("pause")
    crowd.control({"clear": True})
    placed = crowd.placed("paused")
    late = [crowd.lab.drop(f"lab/wordcount/late/{number}.txt", b"word\n") for number in range(50)]
    crowd.month_passes()

    assert crowd.placed("paused") == placed < MANY / 10
    eventually(lambda: all(crowd.lab.run(run) for run in late), "late files to be claimed")
    assert {item["state"] for run in late if (item := crowd.lab.run(run))} == {State.HELD}

    crowd.lab.guard("resume")
    crowd.all_done("paused")
    for run in late:
        assert crowd.lab.ended(run)["state"] == State.SUCCEEDED
    assert {run["attempt"] for run in crowd.runs("paused")} == {1}


def test_a_stop_loses_no_run(crowd: Crowd) -> None:
    crowd.control({"fault": "slow-start", "queue": "dropbatch-sandbox-spot", "seconds": 20, "times": 0})
    crowd.ask(THOUSAND, "stopped")
    eventually(lambda: crowd.placed("stopped") > 0, "the first to be placed")

    crowd.lab.guard("stop")
    eventually(lambda: any(run["attempt"] == 2 for run in crowd.runs("stopped")), "what was stopped to be held again")
    assert set(crowd.states("stopped")) <= {State.HELD, State.SUBMITTED}
    crowd.control({"clear": True})
    crowd.lab.guard("resume")

    crowd.all_done("stopped")
    assert {run["attempt"] for run in crowd.runs("stopped")} == {1, 2}


def test_a_branched_chain_over_a_hundred_files_runs_every_step_once(crowd: Crowd) -> None:
    parents = {crowd.lab.drop(f"lab/first/{number}.txt", b"word\n") for number in range(100)}

    def steps() -> list[dict[str, Any]] | None:
        found = [run for run in crowd.lab.runs() if run["pipeline"] in ("first", "second", "branch", "third")]
        return found if len(found) == 400 and all(run["state"] == "SUCCEEDED" for run in found) else None

    found = until(steps, "the chain to end", seconds=_LONG, every=2)

    assert Counter(run["pipeline"] for run in found) == dict.fromkeys(("first", "second", "branch", "third"), 100)
    by_id = {run["run_id"]: run for run in found}
    assert {run["parent"] for run in found if run["pipeline"] == "branch"} == parents
    assert {by_id[run["parent"]]["parent"] for run in found if run["pipeline"] == "third"} == parents
    assert {run["attempt"] for run in found} == {1}
