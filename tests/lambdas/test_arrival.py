import json
from collections.abc import Mapping
from typing import Any

import pytest

from dropbatch.contract.keys import split_uri
from dropbatch.contract.ledger import PAUSED, to_item
from dropbatch.contract.manifest import Manifest
from lambdas.arrival.flow import ArrivalFlow
from lambdas.common.system_messages import Held, Resubmit, held_body, resubmit_body
from tests.lambdas.conftest import dropped, s3_record, sqs_record
from tests.lambdas.simulated_aws import SimulatedAws, error


def waiting(run: Mapping[str, Any]) -> Held:
    return Held(group=run["group"], run_id=run["run_id"], job_name=run["job_name"])


def manifest_of(aws: SimulatedAws, job: Mapping[str, Any]) -> Manifest:
    variables = {each["name"]: each["value"] for each in job["containerOverrides"]["environment"]}
    assert variables["DROPBATCH_JOB_DEFINITION"] == job["jobDefinition"]
    return Manifest.from_json(aws.s3.objects[split_uri(variables["DROPBATCH_MANIFEST"])])


def test_a_dropped_file_becomes_a_claimed_run_and_a_job(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    failures = arrival.process([dropped("lab/wordcount/a b+(1) ü.txt")])

    assert not failures.ids
    (run,) = aws.dynamodb.runs()
    (job,) = aws.batch.jobs.values()
    assert (run["state"], run["attempt"], run["pool"]) == ("HELD", 1, "spot")
    assert run["input"] == "s3://in-bucket/lab/wordcount/a b+(1) ü.txt"
    assert run["job_name"] == job["jobName"]
    assert job["jobDefinition"] == "dropbatch-test-wordcount-lab:1"
    assert job["jobQueue"] == "dropbatch-test-spot"
    assert job["shareIdentifier"] == "lab"
    assert "arrayProperties" not in job
    assert [spec.run_id for spec in manifest_of(aws, job).runs] == [run["run_id"]]
    assert aws.dynamodb.plain(f"job#{job['jobName']}")["state"] == "SUBMITTED"


def test_many_files_of_one_kind_become_one_array_job(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    keys = [f"lab/wordcount/{number}.txt" for number in range(250)]

    arrival.process([dropped(*keys[:200]), dropped(*keys[200:], message_id="m2")])

    (job,) = aws.batch.jobs.values()
    assert job["arrayProperties"] == {"size": 250}
    assert sorted(spec.key for spec in manifest_of(aws, job).runs) == sorted(keys)


@pytest.mark.parametrize(("files", "sizes"), [(1, [None]), (2, [2]), (10_000, [10_000]), (10_001, [10_000, None])])
def test_an_array_has_between_two_and_ten_thousand_children(
    aws: SimulatedAws, arrival: ArrivalFlow, files: int, sizes: list[int | None]
) -> None:
    keys = [f"lab/wordcount/{number}.txt" for number in range(files)]

    assert not arrival.process([dropped(*keys)]).ids

    jobs = list(aws.batch.jobs.values())
    assert [job.get("arrayProperties", {}).get("size") for job in jobs] == sizes
    assert sorted(spec.key for job in jobs for spec in manifest_of(aws, job).runs) == sorted(keys)


def test_groups_and_pipelines_do_not_share_a_job(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    arrival.process([dropped("lab/wordcount/a", "neuro/wordcount/a", "lab/sort/a.dat")])

    assert sorted(job["jobDefinition"] for job in aws.batch.jobs.values()) == [
        "dropbatch-test-sort-lab:1",
        "dropbatch-test-wordcount-lab:1",
        "dropbatch-test-wordcount-neuro:1",
    ]


def test_a_duplicate_event_is_one_run(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    arrival.process([dropped("lab/wordcount/a"), dropped("lab/wordcount/a", message_id="m2")])
    arrival.process([dropped("lab/wordcount/a", "lab/wordcount/b", message_id="m3")])

    assert sorted(run["input"] for run in aws.dynamodb.runs()) == [
        "s3://in-bucket/lab/wordcount/a",
        "s3://in-bucket/lab/wordcount/b",
    ]
    assert len(aws.batch.jobs) == 2


def test_a_refused_file_is_recorded_and_published_with_its_reason(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    failures = arrival.process([dropped("lab/wordcont/a"), dropped("lab/wordcont/a", message_id="m2")])

    assert not failures.ids
    (run,) = aws.dynamodb.runs()
    assert (run["state"], run["group"]) == ("REJECTED", "lab")
    assert "did you mean 'wordcount'?" in run["reason"]
    assert "unfinished" not in run
    (entry,) = aws.events.entries
    assert json.loads(entry["Detail"])["state"] == "REJECTED"
    assert not aws.batch.jobs


def test_an_unparseable_message_goes_to_the_dead_letters_and_the_rest_is_processed(
    aws: SimulatedAws, arrival: ArrivalFlow
) -> None:
    failures = arrival.process([sqs_record("rubbish", "bad"), dropped("lab/wordcount/a", message_id="good")])

    assert not failures.ids
    (letter,) = aws.sqs.sent
    assert (letter["QueueUrl"], letter["MessageBody"]) == ("dead", "rubbish")
    assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("not JSON")
    assert len(aws.batch.jobs) == 1


def test_an_unparseable_message_that_cannot_be_moved_is_redelivered(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    aws.tap = refuse("SendMessage", "ThrottlingException")

    assert arrival.process([sqs_record("rubbish", "bad")]).ids == {"bad"}


def refuse(operation: str, code: str) -> Any:
    def tap(called: str, call: Mapping[str, Any]) -> None:
        if called == operation:
            raise error(code, called)

    return tap


def test_a_throttled_claim_causes_redelivery(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    aws.tap = refuse("TransactWriteItems", "ThrottlingException")

    failures = arrival.process(
        [dropped("lab/wordcount/a", message_id="m1"), dropped("lab/wordcount/b", message_id="m2")]
    )

    assert failures.response() == {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]}
    assert not aws.dynamodb.runs()


@pytest.mark.parametrize("operation", ["DescribeJobDefinitions", "PutObject", "PutItem", "SubmitJob"])
def test_a_failure_after_the_claim_leaves_the_run_held_without_redelivery(
    aws: SimulatedAws, arrival: ArrivalFlow, operation: str
) -> None:
    aws.tap = refuse(operation, "TooManyRequestsException")

    failures = arrival.process([dropped("lab/wordcount/a")])

    assert not failures.ids
    (run,) = aws.dynamodb.runs()
    assert run["state"] == "HELD"
    assert run["unfinished"].startswith("u#")


def test_arrivals_are_held_while_paused(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    aws.dynamodb.items[PAUSED] = to_item({"id": PAUSED, "since": "2026-01-01T00:00:00.000Z", "reason": "budget"})

    failures = arrival.process([dropped("lab/wordcount/a")])

    assert not failures.ids
    assert [run["state"] for run in aws.dynamodb.runs()] == ["HELD"]
    assert not aws.batch.jobs


def test_resubmitted_held_runs_get_a_job(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    aws.tap = refuse("PutObject", "SlowDown")
    arrival.process([dropped("lab/wordcount/a", "lab/wordcount/b")])
    aws.tap = lambda operation, call: None
    runs = aws.dynamodb.runs()

    failures = arrival.process([sqs_record(held_body([waiting(run) for run in runs]))])

    assert not failures.ids
    (job,) = aws.batch.jobs.values()
    assert {spec.run_id for spec in manifest_of(aws, job).runs} == {run["run_id"] for run in runs}
    assert {run["job_name"] for run in aws.dynamodb.runs()} == {job["jobName"]}


def test_held_runs_beyond_the_time_limit_are_redelivered_and_the_others_get_a_job(
    aws: SimulatedAws, arrival: ArrivalFlow
) -> None:
    aws.dynamodb.items[PAUSED] = to_item({"id": PAUSED, "since": "2026", "reason": "budget"})
    arrival.process([dropped(*(f"lab/wordcount/{number}" for number in range(250)))])
    del aws.dynamodb.items[PAUSED]
    held = [waiting(run) for run in aws.dynamodb.runs()]
    messages = [sqs_record(held_body(held[start : start + 50]), f"m{start}") for start in range(0, 250, 50)]
    looks = iter([False, False])

    failures = arrival.process(messages, spent=lambda: next(looks, True))

    assert failures.ids == {"m200"}
    assert [job["arrayProperties"]["size"] for job in aws.batch.jobs.values()] == [200]
    assert not arrival.process(messages[4:]).ids
    assert [job["arrayProperties"]["size"] for job in aws.batch.jobs.values()] == [200, 50]


def test_resubmitting_an_unknown_or_advanced_run_changes_nothing(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    arrival.process([dropped("lab/wordcount/a")])
    (run,) = aws.dynamodb.runs()
    aws.dynamodb.items[run["id"]]["state"] = {"S": "RUNNING"}

    failures = arrival.process(
        [sqs_record(held_body([waiting(run), Held(group="lab", run_id="r-none", job_name="j")]))]
    )

    assert not failures.ids
    assert len(aws.batch.jobs) == 1


def test_a_prepared_job_is_submitted_again_once_per_lease(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    aws.tap = refuse("SubmitJob", "ServiceUnavailable")
    arrival.process([dropped("lab/wordcount/a")])
    aws.tap = lambda operation, call: None
    (run,) = aws.dynamodb.runs()
    lease = aws.dynamodb.plain(f"job#{run['job_name']}")["lease_until"]

    def ask(lease_until: str) -> None:
        request = resubmit_body(Resubmit(job_name=run["job_name"], lease_until=lease_until))
        assert not arrival.process([sqs_record(request), sqs_record(request, "again")]).ids

    ask("2020-01-01T00:00:00.000Z")
    assert not aws.batch.jobs

    ask(lease)
    (job,) = aws.batch.jobs.values()
    assert job["jobName"] == run["job_name"]


def test_ignored_files_leave_no_item_in_the_ledger(aws: SimulatedAws, arrival: ArrivalFlow) -> None:
    records = {"Records": [s3_record("lab/wordcount/dir/", size=0), s3_record("lab/inputs/x")]}

    failures = arrival.process([sqs_record(records), sqs_record('{"Event": "s3:TestEvent"}', "m2")])

    assert not failures.ids
    assert not aws.dynamodb.items
