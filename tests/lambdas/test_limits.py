"""Monthly limits of groups: amounts are reserved when runs are claimed, and settled when they end."""

import json
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Limit
from dropbatch.contract.limits import MICRO_USD, VCPU_MS
from dropbatch.contract.overrides import Overrides
from lambdas.arrival.quota import Allowance, need_of
from lambdas.ledger.table import Ledger
from tests.lambdas.conftest import DEPLOYMENT, dropped, make_arrival, run_events
from tests.lambdas.requests.conftest import Bench
from tests.lambdas.simulated_aws import SimulatedAws

HOUR = 3_600_000
LIMIT = Limit(VCPU_MS, 10 * HOUR)  # each run of wordcount may use one vCPU for an hour
LIMITED = DEPLOYMENT._replace(limits={"lab": LIMIT})


@pytest.fixture
def bench(aws: SimulatedAws) -> Bench:
    return Bench(aws, make_arrival(aws, LIMITED))


def drop(bench: Bench, count: int, start: int = 0) -> None:
    names = [f"lab/wordcount/{number}.txt" for number in range(start, start + count)]
    assert not bench.arrival.process([dropped(*names)]).ids


def month() -> str:
    return ledger.timestamp(ledger.utc_now())[:7]


def limit_item(aws: SimulatedAws) -> dict[str, Any]:
    return aws.dynamodb.plain(ledger.limit_key("lab", month()))


def end(
    aws: SimulatedAws, *, seconds: int = 60, status: str = "SUCCEEDED", deployment: Any = LIMITED, **more: Any
) -> None:
    """Let every submitted job run for this time."""
    parts = run_events(aws, deployment)
    for number, (job_id, job) in enumerate(aws.batch.jobs.items()):
        size = job.get("arrayProperties", {}).get("size")
        for index in range(size or 1):
            detail = {
                "jobName": job["jobName"],
                "jobId": job_id + (f":{index}" if size else ""),
                "status": status,
                "startedAt": 1_000_000,
                "stoppedAt": 1_000_000 + seconds * 1000,
                "attempts": [{"startedAt": 1_000_000, "stoppedAt": 1_000_000 + seconds * 1000, "container": {}}],
                "container": {
                    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "1800"}]
                },
                **({"arrayProperties": {"index": index, "size": size}} if size else {}),
                **more,
            }
            parts.flow.process([{"messageId": f"{number}-{index}", "body": json.dumps({"detail": detail})}])


def test_a_drop_is_admitted_up_to_the_limit_and_the_rest_refused_with_the_figures(bench: Bench) -> None:
    drop(bench, 12)

    assert len(bench.runs()) == 10
    assert {run["reserved"]["amount"] for run in bench.runs()} == {HOUR}
    refused = bench.runs(rejected=True)
    assert len(refused) == 2
    assert refused[0]["reason"].startswith(
        f"over the monthly limit of group 'lab': 10.00 vCPU-hours, of which 0.00 vCPU-hours remain for {month()}, "
        "and this run may use 1.00 vCPU-hours: wait until other runs end"
    )
    assert limit_item(bench.aws)["remaining"] == 0
    (job,) = bench.aws.batch.jobs.values()
    assert job["arrayProperties"] == {"size": 10}


def test_other_groups_are_not_limited(bench: Bench) -> None:
    bench.arrival.process([dropped(*(f"neuro/wordcount/{number}" for number in range(12)))])

    assert len(bench.runs()) == 12
    assert not [run for run in bench.runs() if "reserved" in run]


def test_the_same_files_again_reserve_nothing(bench: Bench) -> None:
    drop(bench, 4)
    drop(bench, 6)

    assert len(bench.runs()) == 6
    assert limit_item(bench.aws)["remaining"] == 4 * HOUR


def test_a_drop_with_duplicates_is_admitted_up_to_the_limit(bench: Bench) -> None:
    drop(bench, 4)
    drop(bench, 12)

    assert (len(bench.runs()), len(bench.runs(rejected=True))) == (10, 2)
    assert limit_item(bench.aws)["remaining"] == 0


def test_a_drop_larger_than_one_transaction_is_admitted_up_to_the_limit(aws: SimulatedAws) -> None:
    bench = Bench(aws, make_arrival(aws, LIMITED._replace(limits={"lab": Limit(VCPU_MS, 150 * HOUR)})))

    drop(bench, 250)

    assert (len(bench.runs()), len(bench.runs(rejected=True))) == (150, 100)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_unused_reservations_are_returned_once(bench: Bench, status: str) -> None:
    drop(bench, 3)

    end(bench.aws, seconds=90, status=status)
    end(bench.aws, seconds=90, status=status)

    assert limit_item(bench.aws)["remaining"] == LIMIT.amount - 3 * 90_000
    assert {(run["reserved"]["amount"], run["reserved"]["month"]) for run in bench.runs()} == {(0, month())}


def test_unknown_usage_counts_in_full(bench: Bench) -> None:
    drop(bench, 1)

    end(bench.aws, attempts=[{"startedAt": 1_000_000, "container": {}}])

    assert limit_item(bench.aws)["remaining"] == LIMIT.amount - HOUR


def test_a_retried_attempt_is_charged_and_the_run_keeps_its_reservation(bench: Bench) -> None:
    drop(bench, 1)

    end(bench.aws, seconds=60, status="FAILED", statusReason="Host EC2 (instance i-1) terminated.")

    (run,) = bench.runs()
    assert (run["state"], run["attempt"]) == ("HELD", 2)
    assert limit_item(bench.aws)["remaining"] == LIMIT.amount - HOUR - 60_000


def test_a_run_cancelled_before_its_start_returns_its_reservation(bench: Bench) -> None:
    drop(bench, 2)
    first, _ = bench.runs()

    bench.ask({"runs": [first["run_id"]]}, "lab/submissions/cancel.json")

    assert bench.run(first["run_id"])["state"] == "CANCELLED"
    assert limit_item(bench.aws)["remaining"] == LIMIT.amount - HOUR


def test_a_refused_run_can_be_retried_once_the_limit_allows(bench: Bench) -> None:
    drop(bench, 11)
    (refused,) = bench.runs(rejected=True)
    end(bench.aws, seconds=0)

    bench.ask({"runs": [refused["run_id"]]}, "lab/submissions/retry.json")

    run = bench.run(refused["run_id"])
    assert (run["state"], run["attempt"]) == ("HELD", 1)
    assert not {"over_limit", "reason"} & run.keys()
    assert limit_item(bench.aws)["remaining"] == LIMIT.amount - HOUR
    end(bench.aws, seconds=30)
    assert limit_item(bench.aws)["remaining"] == LIMIT.amount - 30_000
    assert bench.run(refused["run_id"])["state"] == "SUCCEEDED"


def test_a_retry_reserves_as_much_as_a_new_run_or_is_refused(bench: Bench) -> None:
    drop(bench, 11)
    (refused,) = bench.runs(rejected=True)

    bench.ask({"runs": [refused["run_id"]]}, "lab/submissions/retry.json")

    assert "1 of 1 are over the monthly limit" in bench.faults("lab/submissions/retry.json")["runs"]
    assert bench.run(refused["run_id"])["state"] == "REJECTED"
    assert limit_item(bench.aws)["remaining"] == 0


def test_contacts_are_mailed_once_a_day(bench: Bench) -> None:
    parts = run_events(bench.aws, LIMITED)
    drop(bench, 12)
    drop(bench, 3, start=20)

    for _ in range(2):
        parts.reconcile.run(at=ledger.utc_now())

    mails = [mail for mail in bench.aws.sns.mails if "limit" in mail["Subject"]]
    assert [mail["Subject"] for mail in mails] == [f"group lab: over the limit of {month()}"]
    assert "10.00 vCPU-hours" in mails[0]["Message"]
    assert mails[0]["MessageAttributes"]["group"]["StringValue"] == "lab"


@pytest.mark.parametrize(("changed", "remaining"), [(12, 9), (2, -1)])
def test_a_limit_changed_within_the_month_keeps_the_usage(aws: SimulatedAws, changed: int, remaining: int) -> None:
    drop(Bench(aws, make_arrival(aws, LIMITED)), 3)
    later = Bench(aws, make_arrival(aws, LIMITED._replace(limits={"lab": Limit(VCPU_MS, changed * HOUR)})))

    drop(later, 1, start=10)

    taken = 1 if changed == 12 else 0
    assert limit_item(aws)["remaining"] == (remaining - taken) * HOUR
    assert len(later.runs(rejected=True)) == 1 - taken


def test_a_limit_of_another_kind_starts_with_the_usage_of_the_month(aws: SimulatedAws) -> None:
    pools = {name: pool._replace(usd_per_vcpu_hour=1.0, usd_per_gib_hour=0.0) for name, pool in LIMITED.pools.items()}
    hours, dollars = (
        LIMITED._replace(pools=pools),
        LIMITED._replace(pools=pools, limits={"lab": Limit(MICRO_USD, 5_000_000)}),
    )
    bench = Bench(aws, make_arrival(aws, hours))
    drop(bench, 2)
    end(aws, seconds=3600, deployment=hours, stoppedAt=int(ledger.utc_now().timestamp() * 1000))
    drop(bench, 1, start=5)
    later = Bench(aws, make_arrival(aws, dollars))

    drop(later, 1, start=10)

    assert limit_item(aws)["remaining"] == 5_000_000 - 2 * 1_000_000 - 1_000_000
    end(aws, seconds=1800, deployment=dollars)  # of the two that still ran, one holds hours and owes no dollars
    assert limit_item(aws)["remaining"] == 5_000_000 - 2 * 1_000_000 - 500_000


def test_runs_reserve_the_resources_of_their_request() -> None:
    pools = {
        name: pool._replace(usd_per_vcpu_hour=price, usd_per_gib_hour=0.01)
        for (name, pool), price in zip(LIMITED.pools.items(), (0.05, 0.1), strict=True)
    }
    dollars = LIMITED._replace(pools=pools, limits={"lab": Limit(MICRO_USD, 1)})

    def need(deployment: Any, **asked: int) -> int:
        return need_of(deployment, "lab", "wordcount", Overrides(**asked))

    assert need(LIMITED) == HOUR
    assert need(LIMITED, vcpus=4, timeout_minutes=30) == 2 * HOUR
    assert need(dollars, vcpus=2, memory_mib=4096) == 240_000  # of the dearer pool


def test_concurrent_reservations_are_retried(aws: SimulatedAws) -> None:
    conflicts = 3

    def refuse(operation: str, call: Any) -> None:
        nonlocal conflicts
        if operation == "TransactWriteItems" and conflicts:
            conflicts -= 1
            raise aws.dynamodb.exceptions.TransactionCanceledException(
                {
                    "Error": {"Code": "TransactionCanceledException"},
                    "CancellationReasons": [{"Code": "TransactionConflict"}],
                },
                operation,
            )

    allowance = Allowance(
        Ledger(aws.dynamodb, "ledger"), group="lab", limit=LIMIT, month="2026-01", sleep=lambda _: None
    )
    aws.tap = refuse

    written, over, _ = allowance.write(
        ["a"], lambda name: {"Put": {"TableName": "ledger", "Item": ledger.to_item({"id": name})}}, lambda _: HOUR
    )

    assert (written, over) == (["a"], [])
    assert aws.dynamodb.plain("lab#month#2026-01")["remaining"] == 9 * HOUR
