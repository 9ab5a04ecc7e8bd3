import json
from typing import Any

import pytest

from dropbatch.contract.batches import MAX_ITEMS
from dropbatch.contract.endings import Ending
from dropbatch.contract.keys import record_key, started_key
from dropbatch.contract.ledger import PAUSED, to_item
from dropbatch.contract.runs import State, order
from lambdas.common.system_messages import Held, held_body
from tests.lambdas.conftest import OUTPUT, dropped, run_events, sqs_record
from tests.lambdas.requests.conftest import Bench
from tests.lambdas.simulated_aws import error

RETRY, RERUN, CANCEL = (f"lab/submissions/{kind}.json" for kind in ("retry", "rerun", "cancel"))


def drop(bench: Bench, *names: str) -> list[str]:
    """Drop files; return the ids of their runs, in the order of the names."""
    bench.arrival.process([dropped(*(f"lab/wordcount/{name}" for name in names))])
    return [run["run_id"] for run in sorted(bench.runs(), key=lambda run: run["input"])]


def fail(bench: Bench, *ids: str, state: str = "FAILED") -> None:
    for run_id in ids:
        item = bench.aws.dynamodb.items[f"lab#{run_id}"]
        position = order(int(item["attempt"]["N"]), State(state))
        item |= {"state": {"S": state}, "order": {"N": str(position)}}
        item |= {"reason": {"S": "broken"}, "job_id": {"S": "job-1"}}
        item.pop("unfinished", None)


def calls(bench: Bench, wanted: str) -> list[Any]:
    found: list[Any] = []
    bench.aws.tap = lambda operation, call: found.append(call) if operation == wanted else None
    return found


def test_a_retry_starts_the_next_attempt(bench: Bench) -> None:
    one, other = drop(bench, "a", "b")
    fail(bench, one)

    bench.ask({"runs": one}, RETRY)

    run = bench.run(one)
    assert (run["state"], run["attempt"], run["order"]) == ("HELD", 2, 20)
    assert "reason" not in run
    assert run["earlier"] == [
        {
            "attempt": 1,
            "pool": "spot",
            "cause": "retry on request",
            "reason": "broken",
            "job_id": "job-1",
            "tries": 0,
        }
    ]
    assert run["unfinished"].startswith("u#")
    newest = list(bench.aws.batch.jobs.values())[-1]
    assert newest["jobName"] == run["job_name"]
    assert bench.run(other)["attempt"] == 1


def test_a_duplicate_retry_counts_once(bench: Bench) -> None:
    (one,) = drop(bench, "a")
    fail(bench, one)

    bench.ask({"runs": [one]}, RETRY, again=3)
    assert bench.run(one)["attempt"] == 2

    fail(bench, one)
    bench.ask({"runs": [one]}, RETRY)
    assert bench.run(one)["state"] == "FAILED"

    bench.ask({"runs": [one]}, RETRY, version="v2")
    assert bench.run(one)["attempt"] == 3


def test_a_rerun_is_a_new_run_over_the_same_input(bench: Bench) -> None:
    (one,) = drop(bench, "a")
    fail(bench, one, state="SUCCEEDED")
    bench.aws.batch.definitions["dropbatch-test-wordcount-lab"] = 2

    bench.ask({"runs": [one]}, RERUN, again=2)

    old, new = (run for run in bench.runs())
    assert (old["run_id"], old["state"]) == (one, "SUCCEEDED")
    assert (new["input"], new["version_id"]) == (old["input"], old["version_id"])
    assert new["output_prefix"] == f"lab/wordcount/a/{new['run_id']}/"
    assert list(bench.aws.batch.jobs.values())[-1]["jobDefinition"] == "dropbatch-test-wordcount-lab:2"


def test_hundreds_of_runs_are_processed_a_hundred_at_a_time(bench: Bench) -> None:
    ids = drop(bench, *(f"{number:03}" for number in range(250)))
    fail(bench, *ids)

    bench.ask({"runs": ids}, RETRY)

    assert {run["attempt"] for run in bench.runs()} == {2}
    assert MAX_ITEMS == 100


REFUSED: list[tuple[str, Any, str, str]] = [
    (RETRY, {"runs": ["r-" + "0" * 20]}, "runs[0]", "r-00000000000000000000 is not a run of group 'lab'"),
    (RETRY, {"runs": "r-1"}, "runs", "is not a run id, got 'r-1'"),
    (RETRY, {}, "runs", "is required"),
    (RETRY, {"runs": []}, "runs", "must not be empty"),
    (RETRY, {"runs": ["$0"], "force": True}, "force", "unknown field"),
    (RETRY, {"runs": ["$0"]}, "runs[0]", "$0 is HELD: only failed and cancelled runs can be retried"),
    (CANCEL, {"runs": ["$0", "r-" + "0" * 20]}, "runs[1]", "r-00000000000000000000 is not a run of group 'lab'"),
    (RERUN, {"runs": ["$1"]}, "runs[0]", "$1 was rejected and never ran"),
]


@pytest.mark.parametrize(("key", "body", "place", "text"), REFUSED)
def test_an_invalid_request_changes_no_run(bench: Bench, key: str, body: Any, place: str, text: str) -> None:
    (one,) = drop(bench, "a")
    bench.arrival.process([dropped("lab/wordcont/x")])
    (refused,) = bench.runs(rejected=True)
    before = bench.run(one)

    def filled(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("$0", one).replace("$1", refused["run_id"]))

    bench.ask(filled(body), key)

    assert bench.faults(key)[place].startswith(filled(text)), bench.faults(key)
    assert bench.run(one) == before


def test_more_runs_than_allowed_are_refused_with_the_number(bench: Bench) -> None:
    bench.ask({"runs": [f"r-{number:020}" for number in range(10_001)]}, CANCEL)

    assert bench.faults(CANCEL)["runs"] == "are 10001, at most 10000 are allowed in one request: split the request"


def test_an_unstarted_run_is_cancelled_by_its_fence(bench: Bench) -> None:
    one, other = drop(bench, "a", "b")
    terminated = calls(bench, "TerminateJob")

    bench.ask({"runs": [one]}, CANCEL, again=2)

    run = bench.run(one)
    assert (run["state"], run["reason"]) == ("CANCELLED", "cancelled on request before it started")
    assert "unfinished" not in run
    assert bench.aws.s3.objects[OUTPUT, started_key("lab", "wordcount", one, 1)].startswith(b"cancelled:")
    record = json.loads(bench.aws.s3.objects[OUTPUT, record_key(run["output_prefix"])])
    assert (record["status"], record["attempt"], record["reason"]) == ("CANCELLED", 1, run["reason"])
    (job,) = bench.aws.batch.jobs.values()
    index = [spec["run_id"] for spec in manifest(bench, job)].index(one)
    assert terminated == [{"jobId": f"{job['jobId']}:{index}", "reason": Ending.CANCELLED}]
    assert bench.run(other)["state"] == "HELD"
    told = [json.loads(entry["Detail"]) for entry in bench.aws.events.entries]
    assert [(each["run_id"], each["state"]) for each in told] == [(one, "CANCELLED")]


def manifest(bench: Bench, job: Any) -> list[dict[str, Any]]:
    key = f"_dropbatch/manifests/lab/wordcount/{job['jobName']}.json"
    found: list[dict[str, Any]] = json.loads(bench.aws.s3.objects[OUTPUT, key])["runs"]
    return found


def test_a_cancelled_run_held_by_a_pause_is_not_submitted_later(bench: Bench) -> None:
    bench.aws.dynamodb.items[PAUSED] = to_item({"id": PAUSED, "since": "2026", "reason": "budget"})
    (one,) = drop(bench, "a")
    was = bench.run(one)

    bench.ask({"runs": [one]}, CANCEL)
    del bench.aws.dynamodb.items[PAUSED]
    bench.deliver(held_body([Held(group="lab", run_id=one, job_name=was["job_name"])]))

    assert bench.run(one)["state"] == "CANCELLED"
    assert not bench.aws.batch.jobs


@pytest.mark.parametrize(("attempt", "stays"), [(0, False), (1, True), (2, True)])
def test_the_record_of_a_cancelled_run_replaces_no_other_record(bench: Bench, attempt: int, stays: bool) -> None:
    (one,) = drop(bench, "a")
    key = OUTPUT, record_key(bench.run(one)["output_prefix"])
    before = json.dumps({"attempt": attempt, "status": "FAILED"}).encode()
    bench.aws.s3.objects[key] = before

    bench.ask({"runs": [one]}, CANCEL)

    assert (bench.aws.s3.objects[key] == before) == stays


def test_a_started_run_is_terminated_and_recorded_by_its_event(bench: Bench) -> None:
    (one,) = drop(bench, "a")
    bench.aws.s3.objects[OUTPUT, started_key("lab", "wordcount", one, 1)] = b"job-1"
    terminated = calls(bench, "TerminateJob")

    bench.ask({"runs": [one]}, CANCEL)

    assert terminated == [{"jobId": "job-1", "reason": Ending.CANCELLED}]
    assert bench.run(one)["state"] == "HELD"


def test_a_run_being_cancelled_is_not_rescued_when_its_machine_is_reclaimed(bench: Bench) -> None:
    (one,) = drop(bench, "a")
    bench.aws.s3.objects[OUTPUT, started_key("lab", "wordcount", one, 1)] = b"job-1"
    bench.ask({"runs": [one]}, CANCEL)
    lost = {"jobName": bench.run(one)["job_name"], "jobId": "job-1", "status": "FAILED"}

    event = sqs_record({"detail": {**lost, "statusReason": "Host EC2 (instance i-1) terminated."}})
    assert not run_events(bench.aws).flow.process([event]).ids

    assert (bench.run(one)["state"], bench.run(one)["attempt"]) == ("CANCELLED", 1)


def test_an_ended_run_is_not_changed(bench: Bench) -> None:
    (one,) = drop(bench, "a")
    fail(bench, one, state="SUCCEEDED")
    terminated = calls(bench, "TerminateJob")

    bench.ask({"runs": [one]}, CANCEL)

    assert bench.run(one)["state"] == "SUCCEEDED"
    assert not terminated


def test_a_late_duplicate_cancel_does_not_affect_the_next_attempt(bench: Bench) -> None:
    (one,) = drop(bench, "a")
    bench.ask({"runs": [one]}, CANCEL)
    bench.ask({"runs": [one]}, RETRY)
    assert (bench.run(one)["state"], bench.run(one)["attempt"]) == ("HELD", 2)

    bench.ask({"runs": [one]}, CANCEL)
    assert bench.run(one)["state"] == "HELD"

    bench.ask({"runs": [one]}, CANCEL, version="v2")
    assert bench.run(one)["state"] == "CANCELLED"


@pytest.mark.parametrize("moment", ["UpdateItem", "PutObject", "TransactWriteItems"])
def test_a_duplicate_cancel_that_read_before_the_retry_does_not_affect_the_next_attempt(
    bench: Bench, moment: str
) -> None:
    (one,) = drop(bench, "a")

    def meanwhile(operation: str, call: Any) -> None:
        if operation == moment:
            bench.aws.tap = lambda *_: None
            bench.ask({"runs": [one]}, CANCEL)
            bench.ask({"runs": [one]}, RETRY)

    bench.aws.tap = meanwhile
    bench.ask({"runs": [one]}, CANCEL)

    assert (bench.run(one)["state"], bench.run(one)["attempt"]) == ("HELD", 2)
    assert "cancel" not in bench.run(one)


def test_a_run_without_a_manifest_is_cancelled(bench: Bench) -> None:
    one, _ = drop(bench, "a", "b")
    for place in [place for place in bench.aws.s3.objects if "/manifests/" in place[1]]:
        del bench.aws.s3.objects[place]

    bench.ask({"runs": [one]}, CANCEL)

    assert bench.run(one)["state"] == "CANCELLED"


@pytest.mark.parametrize("operation", ["BatchGetItem", "PutObject", "UpdateItem", "TerminateJob", "PutEvents"])
def test_an_interrupted_cancel_is_completed_on_redelivery(bench: Bench, operation: str) -> None:
    (one,) = drop(bench, "a")
    broken = [True]

    def tap(called: str, call: Any) -> None:
        if called == operation and broken:
            broken.pop()
            raise error("ThrottlingException", called)

    bench.aws.tap = tap
    step = {"group": "lab", "request": "cancel", "bucket": "in-bucket", "key": CANCEL, "version_id": "v1", "stage": ""}
    body = json.dumps(
        {"dropbatch": 1, "kind": "requests", "steps": [{**step, "size": 9, "page": 0, "first": 0, "after": ""}]}
    )
    bench.aws.s3.objects["in-bucket", CANCEL] = json.dumps({"runs": [one]}).encode()
    failed = bench.arrival.process([sqs_record(body)]).ids
    # The job would find the fence taken; until then it waits without harm.
    assert bool(failed) == (operation != "TerminateJob")

    bench.deliver(body)

    assert bench.run(one)["state"] == "CANCELLED"
    assert "unfinished" not in bench.run(one)
    assert {json.loads(entry["Detail"])["state"] for entry in bench.aws.events.entries} == {"CANCELLED"}


def test_a_backfill_starts_runs_for_objects_without_one(bench: Bench) -> None:
    bench.upload(*(f"lab/sort/{number:04}.dat" for number in range(2100)), "lab/sort/readme.txt", "lab/wordcount/x")
    bench.arrival.process([dropped("lab/sort/0001.dat", "lab/sort/0002.dat")])
    before = bench.runs()

    bench.ask({"pipeline": "sort"}, "lab/submissions/backfill.json", again=2)

    assert len(bench.runs()) == 2100
    assert bench.runs()[:2] == before
    assert [run["input"] for run in bench.runs(rejected=True)] == ["s3://in-bucket/lab/sort/readme.txt"]


def test_a_backfill_may_be_limited_to_a_folder(bench: Bench) -> None:
    bench.upload("lab/byfolder/day1/a", "lab/byfolder/day1/_DONE", "lab/byfolder/day2/a", "lab/byfolder/day2/_DONE")

    bench.ask({"prefix": "lab/byfolder/day2/"}, "lab/submissions/backfill.json")

    assert [run["input"] for run in bench.runs()] == ["s3://in-bucket/lab/byfolder/day2/"]


@pytest.mark.parametrize(
    ("body", "place", "text"),
    [
        ({"prefix": "neuro/sort/"}, "prefix", "must begin with lab/sort/, got 'neuro/sort/'"),
        ({"prefix": "lab/inputs/"}, "prefix", "must be in a pipeline's folder"),
        ({"pipeline": "byrequest"}, "pipeline", "'byrequest' takes requests only"),
        ({"pipeline": "sort", "prefix": "lab/wordcount/"}, "prefix", "must begin with lab/sort/"),
        ({"prefix": "lab/sort/none"}, "prefix", "no file is below lab/sort/none"),
        ({}, "pipeline", "is required, since there are several pipelines"),
    ],
)
def test_an_empty_backfill_is_refused(bench: Bench, body: Any, place: str, text: str) -> None:
    bench.ask(body, "lab/submissions/backfill.json")

    assert bench.faults("lab/submissions/backfill.json")[place].startswith(text)
