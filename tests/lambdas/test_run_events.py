import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dropbatch.contract.ledger import PAUSED, to_item
from lambdas.arrival.flow import ArrivalFlow
from lambdas.common.publisher import Publisher
from lambdas.ledger.table import Ledger
from lambdas.run_events.flow import RunEventsFlow
from lambdas.run_events.reconcile import Reconcile, UnrepairedError
from tests.lambdas.conftest import OUTPUT, dropped, run_events, sqs_record
from tests.lambdas.job_events import LATER, event, told
from tests.lambdas.runs import make_run
from tests.lambdas.simulated_aws import SimulatedAws, error


@pytest.fixture
def flow(aws: SimulatedAws) -> RunEventsFlow:
    return run_events(aws).flow


@pytest.fixture
def reconcile(aws: SimulatedAws) -> Reconcile:
    return run_events(aws).reconcile


def the_job(aws: SimulatedAws) -> dict[str, Any]:
    (job,) = aws.batch.jobs.values()
    return job


def test_a_run_follows_its_job_to_success(aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow) -> None:
    arrival.process([dropped("lab/wordcount/a")])
    job = the_job(aws)

    for status in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"):
        flow.process([event(job, status, startedAt=1_700_000_000_000)])
    flow.process([event(job, "SUCCEEDED", startedAt=1_700_000_000_000, stoppedAt=1_700_000_001_500)])

    (run,) = aws.dynamodb.runs()
    assert run["state"] == "SUCCEEDED"
    assert run["output"] == f"s3://{OUTPUT}/lab/wordcount/a/{run['run_id']}/"
    assert (run["started_at"], run["stopped_at"]) == ("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:21.500Z")
    assert "unfinished" not in run
    assert told(aws) == ["SUBMITTED", "RUNNING", "SUCCEEDED"]


def test_late_and_duplicate_events_change_nothing(aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow) -> None:
    arrival.process([dropped("lab/wordcount/a")])
    job = the_job(aws)

    flow.process([event(job, "SUCCEEDED"), event(job, "SUCCEEDED", "e2"), event(job, "RUNNING", "e3")])
    flow.process([event(job, "FAILED", "e4")])

    assert [run["state"] for run in aws.dynamodb.runs()] == ["SUCCEEDED"]
    assert told(aws) == ["SUCCEEDED"]


def test_the_latest_event_of_a_job_in_a_batch_counts_and_is_redelivered_on_failure(
    aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow
) -> None:
    arrival.process([dropped("lab/wordcount/a")])
    job = the_job(aws)
    events = [event(job, "SUCCEEDED", "e3"), event(job, "RUNNABLE", "e1"), event(job, "RUNNING", "e2")]

    def refuse(operation: str, call: Any) -> None:
        if operation == "TransactWriteItems":
            raise error("ThrottlingException", operation)

    aws.tap = refuse
    assert flow.process(events).ids == {"e3"}
    aws.tap = lambda operation, call: None
    flow.process(events[:1])

    assert told(aws) == ["SUCCEEDED"]


def test_events_beyond_the_time_limit_are_redelivered(
    aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow
) -> None:
    arrival.process([dropped(*(f"lab/wordcount/{number}" for number in range(30)))])
    job = the_job(aws)
    events = [
        event(
            {**job, "jobId": f"{job['jobId']}:{number}"}, "SUCCEEDED", f"e{number}", arrayProperties={"index": number}
        )
        for number in range(30)
    ]

    again = flow.process(events, spent=lambda: len(told(aws)) > 0).ids

    assert again == {f"e{number}" for number in range(20, 30)}
    assert told(aws) == ["SUCCEEDED"] * 20
    assert not flow.process([each for each in events if each["messageId"] in again]).ids
    assert told(aws) == ["SUCCEEDED"] * 30


def test_children_of_an_array_advance_their_own_runs(
    aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow
) -> None:
    arrival.process([dropped("lab/wordcount/a", "lab/wordcount/b")])
    job = the_job(aws)

    flow.process(
        [
            event({**job, "jobId": f"{job['jobId']}:1"}, "SUCCEEDED", arrayProperties={"index": 1}),
            event(job, "FAILED", "parent", arrayProperties={"size": 2, "statusSummary": {}}),
        ]
    )

    assert {run["input"][-1]: run["state"] for run in aws.dynamodb.runs()} == {"a": "HELD", "b": "SUCCEEDED"}


def test_a_failure_has_the_reason_of_the_runtime(aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow) -> None:
    arrival.process([dropped("lab/wordcount/a")])
    (run,) = aws.dynamodb.runs()
    record = {"attempt": 1, "phase": "program", "reason": "exit code 3"}
    aws.s3.objects[OUTPUT, f"{run['output_prefix']}_run.json"] = json.dumps(record).encode()

    flow.process([event(the_job(aws), "FAILED", container={"exitCode": 3}, statusReason="Essential container exited")])

    (run,) = aws.dynamodb.runs()
    assert (run["state"], run["reason"]) == ("FAILED", "program: exit code 3")


def test_a_failure_without_a_record_has_the_reason_of_batch(
    aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow
) -> None:
    arrival.process([dropped("lab/wordcount/a")])

    flow.process([event(the_job(aws), "FAILED", statusReason="Task failed to start")])

    assert [run["reason"] for run in aws.dynamodb.runs()] == ["Task failed to start"]


def test_a_job_that_lost_the_fence_does_not_change_the_run(
    aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow
) -> None:
    arrival.process([dropped("lab/wordcount/a")])
    (run,) = aws.dynamodb.runs()
    aws.s3.objects[OUTPUT, f"_dropbatch/started/lab/wordcount/{run['run_id']}.1"] = b"job-1"
    twin = {**the_job(aws), "jobId": "job-2"}

    flow.process([event(twin, "FAILED", container={"exitCode": 75})])
    flow.process([event(twin, "FAILED", "e2", statusReason="Host EC2 terminated")])
    assert [run["state"] for run in aws.dynamodb.runs()] == ["HELD"]

    flow.process([event(the_job(aws), "SUCCEEDED", "e3")])
    assert [run["state"] for run in aws.dynamodb.runs()] == ["SUCCEEDED"]


def test_a_program_with_the_exit_code_of_a_superseded_job_has_failed(
    aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow
) -> None:
    arrival.process([dropped("lab/wordcount/a"), dropped("lab/wordcount/b", message_id="m2")])
    job = the_job(aws)
    for run in aws.dynamodb.runs():
        place = 0 if run["input"].endswith("a") else 1
        aws.s3.objects[OUTPUT, f"_dropbatch/started/lab/wordcount/{run['run_id']}.1"] = f"job-1:{place}".encode()

    flow.process(
        [event({**job, "jobId": "job-1:0"}, "FAILED", arrayProperties={"index": 0}, container={"exitCode": 75})]
    )

    assert {run["input"][-1]: run["state"] for run in aws.dynamodb.runs()} == {"a": "FAILED", "b": "HELD"}


def test_a_final_state_is_published_even_if_the_first_attempt_was_interrupted(
    aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow
) -> None:
    arrival.process([dropped("lab/wordcount/a")])
    job = the_job(aws)

    def tap(operation: str, call: Any) -> None:
        if operation == "PutEvents":
            raise error("ThrottlingException", operation)

    aws.tap = tap
    assert flow.process([event(job, "SUCCEEDED")]).ids == {"e1"}
    aws.tap = lambda operation, call: None

    assert not flow.process([event(job, "SUCCEEDED")]).ids
    assert told(aws) == ["SUCCEEDED"]


def test_invalid_events_and_foreign_jobs_are_ignored(aws: SimulatedAws, flow: RunEventsFlow) -> None:
    foreign = event({"jobName": "somebody-elses", "jobId": "x"}, "SUCCEEDED")

    failures = flow.process([sqs_record("rubbish"), sqs_record({"detail": {}}, "m2"), foreign])

    assert not failures.ids
    assert not aws.dynamodb.items


def test_reconcile_resubmits_held_runs_without_a_job(
    aws: SimulatedAws, arrival: ArrivalFlow, reconcile: Reconcile
) -> None:
    break_once(aws, arrival, "PutObject")

    assert reconcile.run(at=LATER) == {"held runs asked for again": 1}

    repeat_what_was_sent(aws, arrival)
    assert len(aws.batch.jobs) == 1


def test_reconcile_resubmits_a_job_that_was_never_submitted(
    aws: SimulatedAws, arrival: ArrivalFlow, reconcile: Reconcile
) -> None:
    break_once(aws, arrival, "SubmitJob")
    (job_item,) = [item for item in aws.dynamodb.items if item.startswith("job#")]
    aws.dynamodb.items[job_item]["lease_until"] = {"S": "2020-01-01T00:00:00.000Z"}

    assert reconcile.run(at=LATER) == {"jobs asked for again": 1}

    repeat_what_was_sent(aws, arrival)
    assert len(aws.batch.jobs) == 1


def test_reconcile_finds_a_submission_whose_answer_was_lost(
    aws: SimulatedAws, arrival: ArrivalFlow, reconcile: Reconcile
) -> None:
    break_once(aws, arrival, "SubmitJob")
    (run,) = aws.dynamodb.runs()
    aws.batch.jobs["job-1"] = {"jobName": run["job_name"], "jobId": "job-1", "status": "SUBMITTED"}

    assert reconcile.run(at=LATER) == {"submissions found in Batch": 1}

    assert not aws.sqs.sent
    assert aws.dynamodb.plain(f"job#{run['job_name']}")["job_id"] == "job-1"


def test_reconcile_applies_states_whose_events_were_lost(
    aws: SimulatedAws, arrival: ArrivalFlow, reconcile: Reconcile
) -> None:
    arrival.process([dropped("lab/wordcount/a")])
    the_job(aws)["status"] = "SUCCEEDED"

    assert reconcile.run(at=LATER) == {"states read from Batch": 1}
    assert reconcile.run(at=LATER) == {}

    assert [run["state"] for run in aws.dynamodb.runs()] == ["SUCCEEDED"]
    assert told(aws) == ["SUCCEEDED"]


def test_reconcile_publishes_final_states_that_were_not_published(
    aws: SimulatedAws, arrival: ArrivalFlow, reconcile: Reconcile
) -> None:
    break_once(aws, arrival, "PutEvents", key="lab/wordcont/a")

    assert reconcile.run(at=LATER) == {"final states told of": 1}
    assert reconcile.run(at=LATER) == {}

    assert told(aws) == ["REJECTED"]


def test_a_run_that_reconcile_cannot_repair_does_not_delay_the_others(
    aws: SimulatedAws, arrival: ArrivalFlow, reconcile: Reconcile
) -> None:
    for name in "abc":
        arrival.process([dropped(f"lab/wordcount/{name}")])
    for job in aws.batch.jobs.values():
        job["status"] = "SUCCEEDED"
    runs = {run["input"][-1]: run["id"] for run in aws.dynamodb.runs()}
    first, *_ = (key for key in aws.s3.objects if "/manifests/" in key[1])
    del aws.s3.objects[first]

    def refuse(operation: str, call: Any) -> None:
        if operation == "UpdateItem" and call["Key"]["id"]["S"] == runs["b"]:
            raise error("ValidationException", operation)

    aws.tap = refuse
    with pytest.raises(UnrepairedError, match="could not be repaired, for example"):
        reconcile.run(at=LATER)

    states = {name: aws.dynamodb.plain(run)["state"] for name, run in runs.items()}
    assert states == {"a": "HELD", "b": "SUCCEEDED", "c": "SUCCEEDED"}
    assert told(aws) == ["SUCCEEDED", "SUCCEEDED"]

    aws.tap = lambda operation, call: None
    with pytest.raises(UnrepairedError, match=r"^1 could not be repaired, for example wordcount-lab-"):
        reconcile.run(at=LATER)


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"attempt": "1"}', b"\xff"])
def test_an_invalid_record_counts_as_missing(
    aws: SimulatedAws, arrival: ArrivalFlow, flow: RunEventsFlow, rubbish: bytes
) -> None:
    arrival.process([dropped("lab/wordcount/a")])
    (run,) = aws.dynamodb.runs()
    key = OUTPUT, f"{run['output_prefix']}_run.json"
    aws.s3.objects[key] = rubbish

    assert not flow.process([event(the_job(aws), "FAILED", statusReason="Task failed to start")]).ids

    assert aws.dynamodb.plain(run["id"])["state"] == "FAILED"
    assert json.loads(aws.s3.objects[key])["reason"] == "Task failed to start"


def test_large_events_are_published_in_several_calls(aws: SimulatedAws) -> None:
    lines = ["\N{GOTHIC LETTER AHSA}" * 400] * 20
    runs = [make_run({"run_id": str(number), "state": "FAILED", "log_tail": lines}) for number in range(25)]
    sizes: list[int] = []

    def tap(operation: str, call: Any) -> None:
        if operation == "PutEvents":
            sizes.append(sum(len(entry["Detail"].encode()) for entry in call["Entries"]))

    aws.tap = tap
    table = Ledger(aws.dynamodb, "ledger")
    Publisher(table, events=aws.events, environment="test").publish(runs)

    assert [json.loads(entry["Detail"])["run_id"] for entry in aws.events.entries] == [run.run_id for run in runs]
    assert max(sizes) < 256 * 1024 < sum(sizes)


def test_reconcile_skips_young_and_paused_runs(aws: SimulatedAws, arrival: ArrivalFlow, reconcile: Reconcile) -> None:
    break_once(aws, arrival, "PutObject")

    assert reconcile.run(at=datetime.now(UTC)) == {}
    aws.dynamodb.items[PAUSED] = to_item({"id": PAUSED, "since": "2026"})
    assert reconcile.run(at=LATER) == {"pools paused": 2}
    assert reconcile.run(at=LATER) == {}
    assert set(aws.batch.queues.values()) == {"DISABLED"}
    assert not aws.sqs.sent


def break_once(aws: SimulatedAws, arrival: ArrivalFlow, operation: str, key: str = "lab/wordcount/a") -> None:
    """Drop a file while one kind of call fails."""

    def tap(called: str, call: Any) -> None:
        if called == operation:
            raise error("ServiceUnavailable", called)

    aws.tap = tap
    arrival.process([dropped(key)])
    aws.tap = lambda operation, call: None


def repeat_what_was_sent(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    (message,) = aws.sqs.sent
    assert message["QueueUrl"] == "arrivals"
    assert not arrival.process([sqs_record(message["MessageBody"])]).ids
