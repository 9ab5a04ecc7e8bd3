"""Usage of canceled runs: each try is counted once; a run that never started has none."""

import json
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.endings import Ending
from dropbatch.contract.items import Run
from dropbatch.contract.keys import started_key
from dropbatch.contract.usage import MonthUsage
from tests.lambdas.conftest import INPUT, OUTPUT, dropped
from tests.lambdas.job_events import RECLAIMED, failed, tries
from tests.lambdas.scenario import STEPS, Life, usage_of_month
from tests.lambdas.simulated_aws import SimulatedAws

STOPPED: dict[str, Any] = {"stoppedAt": 1_700_000_100_000}


@pytest.fixture
def life(aws: SimulatedAws) -> Life:
    return Life(aws, STEPS)


def starts(life: Life, job: dict[str, Any]) -> None:
    run = Run.from_item(life.run)
    life.aws.s3.objects[OUTPUT, started_key(run.group, run.pipeline, run.run_id, run.attempt)] = job["jobId"].encode()


def cancel(life: Life) -> None:
    body = {"runs": [life.run["run_id"]]}
    life.aws.s3.objects[INPUT, "lab/submissions/cancel.json"] = json.dumps(body).encode()
    assert not life.arrival.process([dropped("lab/submissions/cancel.json")]).ids


@pytest.mark.parametrize("reason", [Ending.CANCELLED, RECLAIMED])
def test_each_try_of_a_cancelled_running_run_is_counted_once(life: Life, reason: str) -> None:
    job = life.drop("lab/wordcount/a")
    starts(life, job)
    cancel(life)

    end = failed(job, reason, attempts=tries(60, 40), **STOPPED)
    life.happens(end, end)
    life.happens(end)
    life.aws.batch.jobs[job["jobId"]] |= json.loads(end["body"])["detail"]
    life.reconcile.run(at=ledger.utc_now() + 2 * STEPS.lease)

    assert life.run["state"] in ("CANCELLED", "FAILED")
    assert life.run["attempt"] == 1
    assert life.run["usage"] == {"vcpu_ms": 200_000, "mib_ms": 204_800_000, "micro_usd": 22_000}
    assert usage_of_month(life.aws) == {
        "wordcount": MonthUsage(attempts=1, vcpu_ms=200_000, mib_ms=204_800_000, micro_usd=22_000)
    }


def test_a_run_cancelled_before_its_start_used_nothing(life: Life) -> None:
    job = life.drop("lab/wordcount/a")
    cancel(life)

    life.happens(failed(job, Ending.CANCELLED, **STOPPED), failed(job, Ending.CANCELLED, **STOPPED))

    assert life.run["state"] == "CANCELLED"
    assert usage_of_month(life.aws) == {}


def test_usage_before_a_rescue_stays_counted(life: Life) -> None:
    first = life.drop("lab/wordcount/a")
    starts(life, first)
    life.happens(failed(first, RECLAIMED, attempts=tries(100, reason=RECLAIMED), **STOPPED))
    cancel(life)

    life.happens(failed(life.last_job(), Ending.CANCELLED, **STOPPED))

    assert (life.run["state"], life.run["attempt"]) == ("CANCELLED", 2)
    assert life.run["usage"]["vcpu_ms"] == 200_000
    assert usage_of_month(life.aws)["wordcount"].attempts == 1
