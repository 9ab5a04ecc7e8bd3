from typing import Any

from delivery.changes import Change, changes, drift, markdown


def entry(address: str, *actions: str) -> dict[str, Any]:
    return {"address": address, "change": {"actions": list(actions)}}


def test_what_is_done_is_told_and_what_is_only_read_is_not() -> None:
    plan = {"resource_changes": [entry("a.x", "no-op"), entry("b.x", "read"), entry("c.x", "delete", "create")]}
    assert changes(plan) == [Change(address="c.x", actions=("delete", "create"))]


def test_drift_is_what_a_deploy_would_change_back() -> None:
    plan = {
        "resource_changes": [entry("queue.x", "update"), entry("bucket.x", "create"), entry("pool.x", "no-op")],
        # pool: machines come and go, which is ignored; bucket: merged, not deployed yet
        "resource_drift": [entry("queue.x", "update"), entry("pool.x", "update")],
    }
    assert [each.address for each in drift(plan)] == ["queue.x"]


def test_counts_come_first_and_then_what_loses_data() -> None:
    planned = [
        Change(address="aws_sqs_queue.A", actions=("create",)),
        Change(address="aws_s3_bucket.Inputs", actions=("delete", "create")),
        Change(address="aws_sns_topic.B", actions=("delete",)),
    ]
    lines = markdown("prod", planned, "the text\n").splitlines()
    assert lines[0] == "### prod: 1 to create, 1 to replace, 1 to delete"
    assert "> - `aws_s3_bucket.Inputs`: replace" in lines
    assert not any("aws_sns_topic" in line for line in lines)
    assert lines[-4:] == ["```text", "the text", "```", "</details>"]


def test_a_plan_that_loses_nothing_warns_of_nothing() -> None:
    assert "CAUTION" not in markdown("dev", [Change(address="aws_s3_bucket.A", actions=("update",))], "x")


def test_nothing_is_said_shortly() -> None:
    assert markdown("dev", [], "no changes") == "### dev: nothing changes\n"
