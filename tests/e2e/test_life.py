"""A run's life when things go wrong, and what comes after it."""

import email
import re
from collections import Counter
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.usage import month_usage
from tests.e2e.lab import Lab, until

pytestmark = pytest.mark.e2e


@pytest.fixture
def faults(lab: Lab) -> Iterator[Lab]:
    """The sandbox whose faults may be set: afterwards there are none."""
    yield lab
    lab.sandbox.control({"clear": True})
    lab.sandbox.control({"clock": 1})
    for pool in ("spot", "ondemand"):
        lab.dynamodb.delete_item(
            TableName=lab.pointers["ledger_table"], Key=ledger.to_item({"id": ledger.dry_key(pool)})
        )


def mails(lab: Lab, text: str) -> list[Message]:
    """Recorded mails that hold a text."""
    directory: Path = lab.sandbox.layout.mail
    return [email.message_from_string(path.read_text()) for path in directory.glob("*.txt") if text in path.read_text()]


def test_a_run_whose_host_was_reclaimed_on_spot_is_done_on_demand(faults: Lab) -> None:
    lab = faults
    run = lab.drop("lab/slow/reclaimed.txt", b"word\n")
    until(lambda: ((item := lab.run(run)) and item["state"] == "RUNNING") or None, "the run to run")

    assert lab.sandbox.control({"fault": "reclaim", "queue": "dropbatch-sandbox-spot"})["jobs"]
    item = lab.ended(run)

    assert (item["state"], item["attempt"], item["pool"]) == ("SUCCEEDED", 2, "ondemand")
    assert [(each["attempt"], each["pool"], each["cause"]) for each in item["earlier"]] == [(1, "spot", "reclaimed")]
    assert lab.record(item)["attempt"] == 2
    assert item["usage"]["vcpu_ms"] > 0
    month = item["stopped_at"][:7]
    keys = [ledger.to_item({"id": key}) for key in ledger.usage_keys("lab", month)]
    table = lab.pointers["ledger_table"]
    found = lab.dynamodb.batch_get_item(RequestItems={table: {"Keys": keys}})["Responses"][table]
    assert month_usage(map(ledger.from_item, found))["slow"].attempts == 2


def test_without_capacity_everything_is_done_on_the_next_pool(faults: Lab) -> None:
    lab = faults
    lab.sandbox.control({"fault": "no-capacity", "queue": "dropbatch-sandbox-spot"})
    runs = [lab.drop(f"lab/wordcount/dry/{number}.txt", b"word\n") for number in range(30)]
    until(lambda: all(lab.run(run) for run in runs) or None, "the runs to be claimed")
    lab.sandbox.control({"clock": 100})
    dry = ledger.to_item({"id": ledger.dry_key("spot")})
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


def test_people_are_mailed_once_for_what_was_dropped_together(lab: Lab) -> None:
    runs = [lab.drop(f"lab/wordcount/mailed-{number}.txt", b"word\n") for number in range(3)]
    window = ledger.timestamp(ledger.utc_now())
    for run in runs:
        lab.ended(run)

    def told() -> Message | None:
        lab.reconcile()
        wanted = re.compile(r"of [\d,]+ succeeded")
        return next((mail for mail in mails(lab, "succeeded") if wanted.search(mail["Subject"])), None)

    mail = until(told, f"the mail about {window}", seconds=150)

    assert mail["X-Topic"].endswith(":dropbatch-sandbox-people")
    assert "Cost:    unknown" in str(mail.get_payload())
    assert not any(mail["X-Topic"].endswith("operators") for mail in mails(lab, "mailed-"))
