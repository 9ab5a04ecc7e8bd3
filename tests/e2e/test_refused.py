"""A job that Batch refuses: the run says why it waits, operators are told, and it starts once the cause is removed."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from dropbatch.cli.refused import Refusal, refusals
from dropbatch.contract import ledger
from dropbatch.contract.runs import State
from tests.e2e.lab import Lab, until

pytestmark = pytest.mark.e2e

POOL = "ondemand"
LOG = "/aws/lambda/dropbatch-sandbox-arrival"


@pytest.fixture
def refused(lab: Lab) -> Iterator[str]:
    """A run whose only pool was disabled by hand."""
    switch(lab, "DISABLED")
    try:
        yield lab.drop(f"lab/probe/{uuid.uuid4().hex}.json", b"[]")
    finally:
        switch(lab, "ENABLED")


def switch(lab: Lab, state: str) -> None:
    lab.client("batch").update_job_queue(jobQueue=lab.pointers["pools"][POOL], state=state)


def refusal(lab: Lab, run: str, *, repeated: bool = False) -> Refusal | None:
    item = lab.run(run) or {}
    known = refusals(lab.dynamodb, lab.pointers["ledger_table"], "lab")
    found = known.get(item.get("job_name", ""))
    return found if found and (found.at > found.since or not repeated) else None


def repeated(lab: Lab, run: str) -> Refusal | None:
    lab.reconcile()
    return refusal(lab, run, repeated=True)


def end_lease(lab: Lab, job_name: str) -> None:
    """Let the lease of a job expire at once, instead of waiting for it."""
    lab.dynamodb.update_item(
        TableName=lab.pointers["ledger_table"],
        Key=ledger.to_item({"id": ledger.job_key(job_name)}),
        UpdateExpression="SET lease_until = :past",
        ExpressionAttributeValues=ledger.to_item({":past": "2020-01-01T00:00:00.000Z"}),
    )


def told(lab: Lab, job_name: str) -> dict[str, Any] | None:
    """Return the log line that the alarm's metric counts."""
    logs = lab.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=LOG, filterPattern="SubmissionsRefused")
    lines = [json.loads(each["message"]) for page in pages for each in page["events"] if job_name in each["message"]]
    return lines[0] if lines else None


def mailed(lab: Lab) -> str | None:
    """Return the mail that the alarm sent."""
    mails = (path.read_text() for path in lab.sandbox.layout.mail.glob("*.txt"))
    return next((mail for mail in mails if 'ALARM: "dropbatch-sandbox-submissions-refused"' in mail), None)


def test_a_refused_run_gives_the_reason_and_starts_once_the_cause_is_removed(lab: Lab, refused: str) -> None:
    first = until(lambda: refusal(lab, refused), "the first refusal")
    assert "DISABLED" in first.reason
    assert (lab.run(refused) or {})["state"] == State.HELD

    again = until(lambda: repeated(lab, refused), "the second refusal", every=1)
    assert again.since == first.since
    line = until(lambda: told(lab, first.job_name), "the line of the log")
    assert (line["event"], line["SubmissionsRefused"], line["reason"]) == ("submission refused", 1, again.reason)

    mail = until(lambda: mailed(lab), "the alarm's mail")
    assert "dropbatch --env sandbox doctor" in mail

    switch(lab, "ENABLED")
    end_lease(lab, first.job_name)

    def ended() -> dict[str, Any] | None:
        lab.reconcile()
        item = lab.run(refused) or {}
        return item if State(item["state"]).final else None

    item = until(ended, "the run to end", every=1)
    assert (item["state"], item["attempt"]) == (State.SUCCEEDED, 1)
    assert refusals(lab.dynamodb, lab.pointers["ledger_table"], "lab") == {}
