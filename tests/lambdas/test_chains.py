"""Chains and branches of pipelines: each next run after a run that succeeded starts once."""

import json
from collections import Counter
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Pipeline
from dropbatch.contract.runs import State
from tests.lambdas.conftest import DEPLOYMENT, INPUT, OUTPUT, definitions, sqs_record
from tests.lambdas.job_events import RECLAIMED, event, failed
from tests.lambdas.scenario import Life
from tests.lambdas.simulated_aws import SimulatedAws, error


def after(name: str, parent: str) -> Pipeline:
    return Pipeline(pools=("spot", "ondemand"), definitions={"lab": f"dropbatch-test-{name}-lab"}, after=parent)


# wordcount -> sort2 -> plot, and a branch: wordcount -> report
CHAINED = DEPLOYMENT._replace(
    pipelines={
        **DEPLOYMENT.pipelines,
        "sort2": after("sort2", "wordcount"),
        "report": after("report", "wordcount"),
        "plot": after("plot", "sort2"),
    },
)


@pytest.fixture
def life(aws: SimulatedAws) -> Life:
    aws.batch.definitions = definitions(CHAINED)
    return Life(aws, CHAINED)


def succeed_all(life: Life, *, twice: bool = False) -> None:
    """Let all submitted jobs succeed, child by child."""
    events = []
    for job in life.aws.batch.jobs.values():
        size = job.get("arrayProperties", {}).get("size", 1)
        for index in range(size):
            child = {**job, "jobId": f"{job['jobId']}:{index}"} if size > 1 else job
            place: dict[str, Any] = {"arrayProperties": {"index": index}} if size > 1 else {}
            events.append(event(child, "SUCCEEDED", child["jobId"], **place))
    life.happens(*events, *(events if twice else ()))


def test_a_chain_of_three_steps_with_a_branch_runs_every_step_once_per_file(life: Life) -> None:
    life.drop(*(f"lab/wordcount/{number}.txt" for number in range(100)))

    for _ in range(4):
        succeed_all(life, twice=True)

    runs = life.aws.dynamodb.runs()
    assert Counter((run["pipeline"], run["state"]) for run in runs) == {
        (name, "SUCCEEDED"): 100 for name in ("wordcount", "sort2", "report", "plot")
    }
    # Finished parents become array jobs again: one job for each step.
    assert sorted(job["jobDefinition"] for job in life.aws.batch.jobs.values()) == sorted(
        f"dropbatch-test-{name}-lab:1" for name in ("wordcount", "sort2", "report", "plot")
    )


def test_next_steps_beyond_the_time_limit_are_redelivered(life: Life) -> None:
    life.drop(*(f"lab/wordcount/{number}.txt" for number in range(150)))
    (job,) = life.aws.batch.jobs.values()
    ends = [
        event({**job, "jobId": f"{job['jobId']}:{index}"}, "SUCCEEDED", f"e{index}", arrayProperties={"index": index})
        for index in range(150)
    ]
    assert not life.flow.process(ends).ids
    messages = [sqs_record(sent["MessageBody"], f"m{number}") for number, sent in enumerate(life.aws.sqs.sent)]
    looks = iter([False, True, False, False])

    again = life.arrival.process(messages, spent=lambda: next(looks)).ids

    children = [run for run in life.aws.dynamodb.runs() if "parent" in run]
    assert Counter(run["pipeline"] for run in children) == {"sort2": 100, "report": 100}
    assert not life.arrival.process([each for each in messages if each["messageId"] in again]).ids
    children = [run for run in life.aws.dynamodb.runs() if "parent" in run]
    assert Counter(run["pipeline"] for run in children) == {"sort2": 150, "report": 150}


def test_a_next_step_reads_the_result_of_its_parent(life: Life) -> None:
    life.drop("lab/wordcount/day 1/a.txt")
    (parent,) = life.aws.dynamodb.runs()

    succeed_all(life)

    child = next(run for run in life.aws.dynamodb.runs() if run["pipeline"] == "sort2")
    assert child["input"] == f"s3://{OUTPUT}/lab/wordcount/day 1/a.txt/{parent['run_id']}/"
    assert child["marker"] == f"lab/wordcount/day 1/a.txt/{parent['run_id']}/_run.json"
    assert child["output_prefix"] == f"lab/sort2/day 1/a.txt/{child['run_id']}/"
    assert child["parent"] == parent["run_id"]


def test_a_failed_parent_starts_no_child_and_names_the_skipped_ones(life: Life) -> None:
    job = life.drop("lab/wordcount/a")

    life.happens(failed(job, "Essential container in task exited", container={"exitCode": 1}))

    (run,) = life.aws.dynamodb.runs()
    assert run["not_started"] == ["report", "sort2", "plot"]
    (detail,) = [json.loads(entry["Detail"]) for entry in life.aws.events.entries]
    assert detail["not_started"] == ["report", "sort2", "plot"]
    assert "not started: report, sort2, plot" in detail["summary"]


def test_a_parent_cancelled_before_its_start_starts_no_child(life: Life) -> None:
    life.drop("lab/wordcount/a")
    key = "lab/submissions/cancel.json"
    life.aws.s3.objects[INPUT, key] = json.dumps({"runs": [life.run["run_id"]]}).encode()

    life.drop_quietly(key)

    assert (life.run["state"], life.run["not_started"]) == ("CANCELLED", ["report", "sort2", "plot"])


def test_a_rescued_parent_starts_its_children_once(life: Life) -> None:
    life.happens(failed(life.drop("lab/wordcount/a"), RECLAIMED))
    second = life.last_job()

    life.happens(event(second, "SUCCEEDED", "e2"))
    life.happens(event(second, "SUCCEEDED", "e3"))

    assert Counter(run["pipeline"] for run in life.aws.dynamodb.runs()) == {"wordcount": 1, "sort2": 1, "report": 1}


def test_reconcile_requests_next_steps_that_could_not_be_requested(life: Life) -> None:
    job = life.drop("lab/wordcount/a")

    def tap(operation: str, call: Any) -> None:
        if operation == "SendMessage":
            raise error("ServiceUnavailable", operation)

    life.aws.tap = tap
    assert life.flow.process([event(job, "SUCCEEDED")]).ids
    life.aws.tap = lambda operation, call: None

    life.reconcile.run(at=ledger.utc_now() + 2 * CHAINED.lease)
    life.deliver()

    assert {run["pipeline"] for run in life.aws.dynamodb.runs()} == {"wordcount", "sort2", "report"}


def test_next_steps_are_held_while_paused(life: Life) -> None:
    job = life.drop("lab/wordcount/a")
    life.aws.dynamodb.items[ledger.PAUSED] = ledger.to_item({"id": ledger.PAUSED, "since": "2026", "reason": "test"})

    life.happens(event(job, "SUCCEEDED"))

    states = {run["pipeline"]: run["state"] for run in life.aws.dynamodb.runs()}
    assert states == {"wordcount": State.SUCCEEDED, "sort2": State.HELD, "report": State.HELD}
    assert len(life.aws.batch.jobs) == 1


def test_reconcile_completes_a_chain_without_any_event(life: Life) -> None:
    life.drop(*(f"lab/wordcount/{number}.txt" for number in range(100)))
    at = ledger.utc_now()

    for _ in range(3):
        for job in [job for job in life.aws.batch.jobs.values() if ":" not in job["jobId"]]:
            size = job["arrayProperties"]["size"]
            job |= {"status": "SUCCEEDED", "arrayProperties": {"size": size, "statusSummary": {"SUCCEEDED": size}}}
            for index in range(size):
                child = f"{job['jobId']}:{index}"
                life.aws.batch.jobs[child] = {**job, "jobId": child, "arrayProperties": {"index": index}}
        at += 2 * CHAINED.lease
        life.reconcile.run(at=at)
        life.deliver()

    runs = life.aws.dynamodb.runs()
    assert Counter((run["pipeline"], run["state"], run["attempt"]) for run in runs) == {
        (name, "SUCCEEDED", 1): 100 for name in ("wordcount", "sort2", "report", "plot")
    }
    assert life.reconcile.run(at=at + 2 * CHAINED.lease) == {}
