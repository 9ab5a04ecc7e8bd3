"""Runs whose job failed: retried where that can help, otherwise ended with a record."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.endings import Ending
from dropbatch.contract.usage import MonthUsage
from tests.lambdas.conftest import DEPLOYMENT, OUTPUT, sqs_record
from tests.lambdas.job_events import CONTAINER, NO_CAPACITY, RECLAIMED, event, failed, told, tries
from tests.lambdas.scenario import STEPS, Life, usage_of_month
from tests.lambdas.simulated_aws import SimulatedAws


@pytest.fixture
def life(aws: SimulatedAws) -> Life:
    return Life(aws, STEPS)


def test_a_reclaimed_run_goes_to_the_next_pool(life: Life) -> None:
    first = life.drop("lab/wordcount/a")

    life.happens(failed(first, RECLAIMED, attempts=tries(10, 5, reason=RECLAIMED)))

    second = life.last_job()
    assert second["jobQueue"] == "dropbatch-test-ondemand"
    run = life.run
    assert (run["state"], run["attempt"], run["pool"], run["job_name"]) == ("HELD", 2, "ondemand", second["jobName"])
    assert run["earlier"] == [
        {
            "attempt": 1,
            "pool": "spot",
            "cause": "reclaimed",
            "reason": RECLAIMED,
            "job_id": first["jobId"],
            "tries": 2,
        }
    ]

    life.happens(event(second, "SUCCEEDED", "e2"))

    assert life.run["state"] == "SUCCEEDED"
    assert [state for state in told(life.aws) if state in ("SUCCEEDED", "FAILED")] == ["SUCCEEDED"]
    assert (OUTPUT, f"{run['output_prefix']}_run.json") not in life.aws.s3.objects


def test_a_reclaimed_run_without_a_next_pool_fails_with_a_record(life: Life) -> None:
    job = life.drop("lab/sort/a.dat")

    life.happens(failed(job, RECLAIMED, attempts=tries(10, reason=RECLAIMED)))

    run = life.run
    assert (run["state"], run["reason"], run["phase"]) == ("FAILED", RECLAIMED, "lost")
    record = json.loads(life.aws.s3.objects[OUTPUT, f"{run['output_prefix']}_run.json"])
    assert (record["status"], record["attempt"], record["reason"]) == ("FAILED", 1, RECLAIMED)
    assert (record["job_definition"], record["image"]) == ("dropbatch-test-sort-lab:1", "repository:wordcount-1")
    assert record["pool"] == "spot"


def test_the_record_of_the_container_is_kept(life: Life) -> None:
    job = life.drop("lab/wordcount/a")
    key = OUTPUT, f"{life.run['output_prefix']}_run.json"
    mine = json.dumps({"attempt": 1, "phase": "program", "reason": "exit code 3"}).encode()
    life.aws.s3.objects[key] = mine
    life.aws.s3.objects[OUTPUT, f"{life.run['output_prefix']}_log.txt"] = b"".join(b"%d\n" % n for n in range(50))

    life.happens(failed(job, "Essential container in task exited", container={"exitCode": 3}))

    assert life.aws.s3.objects[key] == mine
    assert life.run["log_tail"] == [str(number) for number in range(30, 50)]


def test_missing_capacity_marks_the_pool_as_exhausted_and_arrivals_skip_it(life: Life) -> None:
    first = life.drop("lab/wordcount/a")

    life.happens(failed(first, NO_CAPACITY))

    assert life.last_job()["jobQueue"] == "dropbatch-test-ondemand"
    assert life.aws.dynamodb.plain("flag#dry#spot")["reason"] == NO_CAPACITY
    assert life.drop("lab/wordcount/b")["jobQueue"] == "dropbatch-test-ondemand"
    before = len(life.aws.batch.jobs)
    life.drop("lab/sort/only-spot.dat")
    assert len(life.aws.batch.jobs) == before  # it waits: its only pool is dry


def test_an_exhausted_pool_is_used_again_when_its_mark_expires(life: Life) -> None:
    life.happens(failed(life.drop("lab/wordcount/a"), NO_CAPACITY))
    life.aws.dynamodb.items["flag#dry#spot"]["until"] = {"S": "2020-01-01T00:00:00.000Z"}

    assert life.drop("lab/wordcount/b")["jobQueue"] == "dropbatch-test-spot"


def test_an_image_that_cannot_be_pulled_is_retried_once(life: Life) -> None:
    reason = {"reason": "CannotPullContainerError: pull access denied"}
    first = life.drop("lab/wordcount/a")

    life.happens(failed(first, "Task failed to start", container=reason))
    second = life.last_job()
    assert second["jobId"] != first["jobId"]
    life.happens(failed(second, "Task failed to start", "e2", container=reason))

    assert (life.run["state"], life.run["attempt"]) == ("FAILED", 2)
    assert life.run["reason"].startswith("CannotPullContainerError")


def test_a_run_out_of_memory_is_retried_with_the_next_memory_step(life: Life) -> None:
    first = life.drop("lab/wordcount/a")
    asked = []

    killed = {"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"}
    life.happens(failed(first, "Essential container in task exited", container=killed))
    for number in range(2):
        job = life.last_job()
        (requirement,) = job["containerOverrides"]["resourceRequirements"]
        asked.append(requirement)
        life.happens(failed(job, "Essential container in task exited", f"m{number}", container=killed))

    assert asked == [{"type": "MEMORY", "value": "4096"}, {"type": "MEMORY", "value": "8192"}]
    assert (life.run["state"], life.run["attempt"]) == ("FAILED", 3)
    assert [each["cause"] for each in life.run["earlier"]] == ["out of memory", "out of memory"]


def test_a_failure_of_the_program_is_retried_only_if_the_pipeline_says_so(aws: SimulatedAws) -> None:
    retrying = DEPLOYMENT._replace(
        pipelines={"wordcount": DEPLOYMENT.pipelines["wordcount"]._replace(retry_failures=1)}
    )
    life = Life(aws, retrying)
    failing: Any = {"reason": "Essential container in task exited", "container": {"exitCode": 1}}

    life.happens(failed(life.drop("lab/wordcount/a"), **failing))
    assert life.run["attempt"] == 2
    life.happens(failed(life.last_job(), **failing))

    assert (life.run["state"], life.run["attempt"]) == ("FAILED", 2)


def test_a_timeout_is_not_mistaken_for_a_lack_of_memory(life: Life) -> None:
    job = life.drop("lab/wordcount/a")

    life.happens(failed(job, "Job attempt duration exceeded timeout", container={"exitCode": 137}))

    assert (life.run["state"], life.run["attempt"]) == ("FAILED", 1)


def test_a_stopped_run_is_held_until_the_pause_ends(life: Life) -> None:
    job = life.drop("lab/wordcount/a")
    life.aws.dynamodb.items[ledger.PAUSED] = ledger.to_item({"id": ledger.PAUSED, "since": "2026", "reason": "test"})

    life.happens(failed(job, Ending.STOPPED, container={"exitCode": 143}))
    assert (life.run["state"], life.run["attempt"]) == ("HELD", 2)
    assert len(life.aws.batch.jobs) == 1

    del life.aws.dynamodb.items[ledger.PAUSED]
    life.arrival.process([sqs_record(held_again(life.run))])
    assert life.last_job()["jobQueue"] == "dropbatch-test-spot"


def held_again(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "dropbatch": 1,
        "kind": "held",
        "runs": [{"group": run["group"], "run_id": run["run_id"], "job_name": run["job_name"]}],
    }


def test_a_cancelled_job_is_a_cancelled_run(life: Life) -> None:
    job = life.drop("lab/wordcount/a")

    life.happens(failed(job, Ending.CANCELLED))

    assert life.run["state"] == "CANCELLED"
    record = json.loads(life.aws.s3.objects[OUTPUT, f"{life.run['output_prefix']}_run.json"])
    assert record["status"] == "CANCELLED"


def test_duplicate_events_rescue_a_run_once(life: Life) -> None:
    first = life.drop("lab/wordcount/a")
    end = failed(first, RECLAIMED, attempts=tries(10, reason=RECLAIMED))

    for _ in range(3):
        life.happens(end, end)

    assert life.run["attempt"] == 2
    assert len(life.aws.batch.jobs) == 2


def test_a_duplicate_of_an_unstarted_job_finds_the_fence_taken(life: Life) -> None:
    first = life.drop("lab/wordcount/a")

    life.happens(failed(first, NO_CAPACITY))

    fence = f"_dropbatch/started/lab/wordcount/{life.run['run_id']}.1"
    assert life.aws.s3.objects[OUTPUT, fence].decode() == first["jobId"]


@pytest.mark.parametrize("children_say", [Ending.MOVED, "the array was cancelled, in words of Batch's own"])
def test_a_thousand_runs_on_an_exhausted_pool_move_as_array_jobs(life: Life, children_say: str) -> None:
    job = life.drop(*(f"lab/wordcount/{number}" for number in range(1000)))
    head = failed({**job, "jobId": f"{job['jobId']}:0"}, NO_CAPACITY, arrayProperties={"index": 0})
    life.happens(head)
    cancelled: list[Any] = []
    life.aws.tap = lambda name, call: cancelled.append(call) if name == "CancelJob" else None
    life.aws.batch.jobs[job["jobId"]]["arrayProperties"] = {"size": 1000, "statusSummary": {"RUNNABLE": 999}}

    repaired = life.reconcile.run(at=ledger.utc_now() + 2 * STEPS.lease)
    assert repaired["runs moved off dry pools"] == 999
    assert cancelled == [{"jobId": job["jobId"], "reason": Ending.MOVED}]
    life.happens(
        *(
            failed({**job, "jobId": f"{job['jobId']}:{n}"}, children_say, f"e{n}", arrayProperties={"index": n})
            for n in range(1, 1000)
        )
    )

    moved = list(life.aws.batch.jobs.values())[1:]
    assert [each.get("arrayProperties") for each in moved] == [None, {"size": 999}]
    assert {each["jobQueue"] for each in moved} == {"dropbatch-test-ondemand"}
    assert {(run["attempt"], run["pool"]) for run in life.aws.dynamodb.runs()} == {(2, "ondemand")}


def test_usage_is_counted_once_per_attempt_with_its_estimated_cost(life: Life) -> None:
    stopped: Any = {"stoppedAt": 1_700_000_010_000}
    first = failed(life.drop("lab/wordcount/a"), RECLAIMED, attempts=tries(60, 40, reason=RECLAIMED), **stopped)
    life.happens(first, first)
    life.happens(first)

    # 100 s of 2 vCPUs at 0.36 USD and 2 GiB at 0.036 USD an hour
    assert life.run["usage"] == {"vcpu_ms": 200_000, "mib_ms": 204_800_000, "micro_usd": 22_000}
    assert usage_of_month(life.aws) == {
        "wordcount": MonthUsage(attempts=1, vcpu_ms=200_000, mib_ms=204_800_000, micro_usd=22_000)
    }

    second = event(life.last_job(), "SUCCEEDED", "e2", container=CONTAINER, attempts=tries(1), **stopped)
    life.happens(second, second)

    # The pool "ondemand" has no price: the cost of the run is unknown, not that of its first attempt.
    assert life.run["usage"] == {"vcpu_ms": 202_000, "mib_ms": 206_848_000, "micro_usd": None}
    assert usage_of_month(life.aws)["wordcount"] == MonthUsage(
        attempts=2, vcpu_ms=202_000, mib_ms=206_848_000, micro_usd=22_000, unknown_cost=1
    )


def test_times_that_batch_omits_are_unknown_and_not_zero(life: Life) -> None:
    job = life.drop("lab/wordcount/a")

    life.happens(event(job, "SUCCEEDED", startedAt=1_700_000_000_000, container=CONTAINER))

    assert life.run["usage"] == {"vcpu_ms": None, "mib_ms": None, "micro_usd": None}


def test_an_unstarted_job_used_nothing(life: Life) -> None:
    life.happens(failed(life.drop("lab/wordcount/a"), NO_CAPACITY))

    assert life.run["usage"] == {"vcpu_ms": 0, "mib_ms": 0, "micro_usd": 0}
