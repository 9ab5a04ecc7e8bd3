"""Runs that fail are rescued, and chains, mails and alerts follow their runs."""

import email
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.usage import month_usage
from tests.e2e.lab import Lab, until
from tests.lambdas.budget_notices import notice

pytestmark = pytest.mark.e2e


@pytest.fixture
def faults(lab: Lab) -> Iterator[Lab]:
    """The sandbox, for a test that sets faults: they are cleared afterwards."""
    yield lab
    lab.sandbox.control({"clear": True})
    lab.sandbox.control({"clock": 1})
    for pool in ("spot", "ondemand"):
        lab.dynamodb.delete_item(
            TableName=lab.pointers["ledger_table"], Key=ledger.to_item({"id": ledger.exhausted_key(pool)})
        )


def mails(lab: Lab, text: str) -> list[Message]:
    """Return recorded mails that contain a text."""
    directory: Path = lab.sandbox.layout.mail
    return [email.message_from_string(path.read_text()) for path in directory.glob("*.txt") if text in path.read_text()]


@pytest.fixture
def notices(lab: Lab) -> Iterator[Callable[[], list[str]]]:
    """Return the messages of the operators' topic so far, from a queue."""
    sqs, sns = lab.client("sqs"), lab.client("sns")
    queue = sqs.create_queue(QueueName=f"notices-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sent = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**sent, "Resource": arn}]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic(lab, "operators"), Protocol="sqs", Endpoint=arn)
    heard: list[str] = []

    def listen() -> list[str]:
        while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                heard.append(json.loads(message["Body"])["Message"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return heard

    yield listen
    sqs.delete_queue(QueueUrl=queue)  # nothing of a test's own is to be left when the stack is destroyed


def attempts_counted(lab: Lab, month: str) -> int:
    """Return the attempts of the pipeline "slow" in the group's usage."""
    keys = [ledger.to_item({"id": key}) for key in ledger.usage_keys("lab", month)]
    table = lab.pointers["ledger_table"]
    found = lab.dynamodb.batch_get_item(RequestItems={table: {"Keys": keys}})["Responses"][table]
    usage = month_usage(map(ledger.from_item, found))
    return usage["slow"].attempts if "slow" in usage else 0


def topic(lab: Lab, name: str) -> str:
    arns: list[str] = [each["TopicArn"] for each in lab.client("sns").list_topics()["Topics"]]
    return next(arn for arn in arns if arn.endswith(f":dropbatch-sandbox-{name}"))


def test_a_run_reclaimed_on_spot_completes_on_demand(faults: Lab, notices: Callable[[], list[str]]) -> None:
    lab = faults
    counted = attempts_counted(lab, ledger.timestamp(ledger.utc_now())[:7])
    run = lab.drop("lab/slow/reclaimed.txt", b"word\n")
    until(lambda: ((item := lab.run(run)) and item["state"] == "RUNNING") or None, "the run to run")

    assert lab.sandbox.control({"fault": "reclaim", "queue": "dropbatch-sandbox-spot"})["jobs"]
    item = lab.ended(run)

    assert (item["state"], item["attempt"], item["pool"]) == ("SUCCEEDED", 2, "ondemand")
    assert [(each["attempt"], each["pool"], each["cause"]) for each in item["earlier"]] == [(1, "spot", "reclaimed")]
    assert lab.record(item)["attempt"] == 2
    assert item["usage"]["vcpu_ms"] > 0
    assert attempts_counted(lab, item["stopped_at"][:7]) == counted + 2
    marker = lab.ended(lab.drop("lab/wordcount/after-reclaimed.txt", b"word\n"))["run_id"]
    until(lambda: any(marker in text for text in notices()) or None, "operators to hear of what ended later")
    (heard,) = [text for text in notices() if run in text]
    assert heard.startswith('"SUCCEEDED lab/slow')


def test_runs_without_capacity_complete_on_the_next_pool(faults: Lab) -> None:
    lab = faults
    lab.sandbox.control({"fault": "no-capacity", "queue": "dropbatch-sandbox-spot"})
    runs = [lab.drop(f"lab/wordcount/dry/{number}.txt", b"word\n") for number in range(30)]
    # A separate job behind that of the others; it advances only if reconcile resumes it.
    runs.append(lab.drop("lab/quick/dry.txt", b"word\n"))
    until(lambda: all(lab.run(run) for run in runs) or None, "the runs to be claimed")
    lab.sandbox.control({"clock": 100})
    dry = ledger.to_item({"id": ledger.exhausted_key("spot")})
    table = lab.pointers["ledger_table"]
    until(lambda: lab.dynamodb.get_item(TableName=table, Key=dry).get("Item"), "the pool to be marked dry")
    lab.sandbox.control({"clock": 1})

    def done() -> bool | None:
        lab.reconcile()
        return all(item["state"] == "SUCCEEDED" for run in runs if (item := lab.run(run))) or None

    until(done, "the runs to be done elsewhere", seconds=120)

    items = [item for run in runs if (item := lab.run(run))]
    assert {item["pool"] for item in items} == {"ondemand"}
    assert {item["attempt"] for item in items} == {2}
    blocked = mails(lab, "\nJob queue dropbatch-sandbox-spot is blocked: ")  # not in quotes
    assert {mail["Subject"] for mail in blocked} == {"job queue dropbatch-sandbox-spot is blocked"}
    assert all("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY" in str(mail.get_payload()) for mail in blocked)


def test_a_retry_begins_without_the_published_files_of_the_lost_try(faults: Lab) -> None:
    lab = faults
    run = lab.drop("lab/script/lost.sh", b"sleep 3; echo done > $1/result.txt\n")
    item = until(lambda: found if (found := lab.run(run)) and found["state"] == "RUNNING" else None, "the run to run")
    prefix, bucket = item["output_prefix"], lab.pointers["output_bucket"]
    lab.s3.put_object(Bucket=bucket, Key=f"{prefix}half.txt", Body=b"half")

    assert lab.sandbox.control({"fault": "reclaim", "queue": "dropbatch-sandbox-spot"})["jobs"]
    ended = lab.ended(run)

    assert (ended["state"], ended["attempt"]) == ("SUCCEEDED", 2)
    names = {
        each["Key"].removeprefix(prefix) for each in lab.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    }
    assert names == {"result.txt", "_log.txt", "_run.json"}


def test_an_interrupted_reconcile_continues_and_the_next_starts_over(lab: Lab) -> None:
    table, key = lab.pointers["ledger_table"], ledger.to_item({"id": ledger.RECONCILED})
    begun = ledger.timestamp(ledger.utc_now() - timedelta(hours=1))
    lab.dynamodb.put_item(TableName=table, Item=key | ledger.to_item({"until": begun}))

    lab.reconcile()

    assert "Item" not in lab.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)


def test_a_chain_with_a_branch_runs_every_step_once(lab: Lab) -> None:
    parents = {lab.drop(f"lab/first/{number}.txt", b"word\n") for number in range(5)}

    def steps() -> list[dict[str, object]] | None:
        found = [run for run in lab.runs() if run["pipeline"] in ("first", "second", "branch", "third")]
        return found if len(found) == 20 and all(run["state"] == "SUCCEEDED" for run in found) else None

    found = until(steps, "the chain to end", seconds=150)

    assert Counter(run["pipeline"] for run in found) == {"first": 5, "second": 5, "branch": 5, "third": 5}
    assert {run["parent"] for run in found if run["pipeline"] == "branch"} == parents
    last = next(run for run in found if run["pipeline"] == "third")
    (output,) = lab.record(last)["outputs"]
    assert output["uri"].endswith("/first.txt")


def test_one_mail_covers_files_dropped_together(lab: Lab) -> None:
    runs = [lab.drop(f"lab/wordcount/mailed-{number}.txt", b"word\n") for number in range(3)]
    window = ledger.timestamp(ledger.utc_now())
    for run in runs:
        lab.ended(run)

    def told() -> Message | None:
        lab.reconcile()
        wanted = re.compile(r"of [\d,]+ succeeded")
        return next((mail for mail in mails(lab, "group lab)") if wanted.search(mail["Subject"])), None)

    mail = until(told, f"the mail about {window}", seconds=150)

    assert mail["X-Topic"].endswith(":dropbatch-sandbox-people")
    assert "Cost:    unknown" in str(mail.get_payload())
    assert not any(mail["X-Topic"].endswith("operators") for mail in mails(lab, "mailed-"))


def test_only_the_alert_of_the_budget_pauses_and_mails(lab: Lab) -> None:
    paused = ledger.to_item({"id": ledger.PAUSED})
    sns, table = lab.client("sns"), lab.pointers["ledger_table"]

    def flag() -> dict[str, Any] | None:
        found: dict[str, Any] | None = lab.dynamodb.get_item(TableName=table, Key=paused).get("Item")
        return found

    def alert(**fields: str) -> None:
        text = notice(name="dropbatch-sandbox", **fields)
        sns.publish(TopicArn=topic(lab, "budget"), Subject="AWS Budgets: dropbatch-sandbox", Message=text)

    log = lab.client("logs")

    def looks() -> int:
        events = log.filter_log_events(logGroupName="/aws/lambda/dropbatch-sandbox-spend-guard")["events"]
        return sum(each["message"].startswith("REPORT") for each in events)

    before = looks()
    alert(spent="$40.00")
    sns.publish(TopicArn=topic(lab, "budget"), Message="The budget is spent!")
    until(lambda: looks() >= before + 2 or None, "the spend guard to look at them")
    assert flag() is None

    alert(spent="$50.01")
    try:
        until(flag, "the deployment to be paused")
        (mail,) = until(lambda: mails(lab, "is paused: the budget is spent") or None, "people to be told")
    finally:
        lab.guard("resume")
    assert "The budget of sandbox is spent: 50.01 of 50.00 USD" in str(mail.get_payload())
