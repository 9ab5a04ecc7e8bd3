"""Requests, through the real Terraform, the real provider and IAM."""

import json
from typing import Any

import pytest

from dropbatch.contract import keys
from dropbatch.contract.runs import State
from tests.e2e.lab import Lab, until
from tests.e2e.request_objects import asked_for, put

pytestmark = pytest.mark.e2e


def refusal(lab: Lab, key: str) -> dict[str, Any]:
    """Return the faults of a request, once it is refused."""

    def refused() -> dict[str, Any] | None:
        found = (run for run in lab.runs() if run["input"].endswith(f"/{key}"))
        return next((run for run in found if run["state"] == State.REJECTED), None)

    until(refused, f"{key} to be refused")
    answer = lab.s3.get_object(Bucket=lab.pointers["output_bucket"], Key=keys.rejection_key(key))
    body: dict[str, Any] = json.loads(answer["Body"].read())
    return body


def test_a_submission_runs_its_grid_over_all_matches(lab: Lab) -> None:
    for name in ("a.txt", "b.txt", "deep/c.txt", "notes.md"):
        put(lab, f"lab/inputs/request/{name}", b"one two two\n")
    key = "lab/submissions/grid/submit.json"

    put(
        lab,
        key,
        {
            "pipeline": "wordcount",
            "inputs": "lab/inputs/request/**/*.txt",
            "parameters": {"k": [1, 2]},
            "overrides": {"memory_mib": 600},
        },
    )

    runs = until(lambda: asked_for(lab, key) or None, "the runs of the request")
    ended = [lab.ended(run["run_id"]) for run in runs]
    assert {run["state"] for run in ended} == {"SUCCEEDED"}, ended
    assert sorted((run["input"].rpartition("/")[2], run["parameters"]["k"]) for run in ended) == [
        (name, k) for name in ("a.txt", "b.txt", "c.txt") for k in ("1", "2")
    ]
    assert all(b"two" in lab.result(run, "counts.txt") for run in ended)
    assert lab.record(ended[0])["parameters"]["k"] in {"1", "2"}
    assert len({run["job_name"] for run in ended}) == 1


def test_an_invalid_request_starts_nothing_and_lists_every_fault(lab: Lab) -> None:
    key = "lab/submissions/bad/submit.toml"

    put(
        lab,
        key,
        b'pipeline = "wordcount"\ninputs = ["lab/inputs/none.txt", "lab/inputs/none/"]\nconfig = "lab/configs/c"',
    )

    assert {fault["place"]: fault["fault"].partition(":")[0] for fault in refusal(lab, key)["faults"]} == {
        "inputs[0]": "the object does not exist",
        "inputs[1]": "the folder is empty",
        "config": "the object does not exist",
    }
    assert not asked_for(lab, key)

    put(lab, "lab/inputs/mended.txt", b"word\n")
    put(lab, key, b'pipeline = "wordcount"\ninputs = ["lab/inputs/mended.txt"]')

    def taken_back() -> bool | None:
        name = keys.rejection_key(key)
        listed = lab.s3.list_objects_v2(Bucket=lab.pointers["output_bucket"], Prefix=name)
        return True if not listed.get("KeyCount") else None

    until(taken_back, "the refusal to be taken back")
    until(lambda: asked_for(lab, key) or None, "the run of the mended request")


def test_a_waiting_run_is_cancelled_and_retried(lab: Lab) -> None:
    functions = lab.client("lambda")

    def guard(action: str) -> None:
        answer = functions.invoke(
            FunctionName="dropbatch-sandbox-spend-guard", Payload=json.dumps({"action": action, "reason": "a test"})
        )
        assert "FunctionError" not in answer, answer["Payload"].read()

    guard("pause")
    try:
        run = lab.drop("lab/wordcount/to-be-cancelled.txt", b"word\n")
        until(lambda: lab.run(run), "the run to be held")
        put(lab, "lab/submissions/cancel.json", {"runs": [run]})
        cancelled = lab.ended(run)
        record = lab.record(cancelled)
    finally:
        guard("resume")
    assert (cancelled["state"], cancelled["attempt"]) == ("CANCELLED", 1)
    assert record["status"] == "CANCELLED"

    put(lab, "lab/submissions/retry.json", {"runs": [run]})

    again = until(lambda: found if (found := lab.ended(run))["attempt"] == 2 else None, "the second attempt to end")
    assert again["state"] == "SUCCEEDED", again.get("reason")


def test_a_backfill_finds_objects_without_a_run(lab: Lab) -> None:
    run = lab.drop("lab/wordcount/backfill/a.txt", b"word\n")
    lab.ended(run)
    client = lab.dynamodb
    client.delete_item(TableName=lab.pointers["ledger_table"], Key={"id": {"S": f"lab#{run}"}})

    put(lab, "lab/submissions/backfill.json", {"prefix": "lab/wordcount/backfill/"})

    assert until(lambda: lab.run(run), "the run to be claimed again")["run_id"] == run


def test_dead_letters_are_listed_and_redriven(lab: Lab) -> None:
    sqs, functions = lab.client("sqs"), lab.client("lambda")
    sqs.send_message(QueueUrl=lab.pointers["arrival_queue_url"], MessageBody="[1]")

    def ask(action: str) -> dict[str, Any]:
        answer = functions.invoke(FunctionName="dropbatch-sandbox-arrival", Payload=json.dumps({"action": action}))
        body: dict[str, Any] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def letter() -> dict[str, Any] | None:
        return next((each for each in ask("dead-letters")["letters"] if each["body"] == "[1]"), None)

    found = until(letter, "the dead letter")
    assert found["reason"] == "must be a JSON object, got a list"
    assert ask("redrive")["redriven"] >= 1
    assert until(letter, "the letter to be buried again")["message_id"] != found["message_id"]
