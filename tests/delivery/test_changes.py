from typing import Any

from delivery.changes import Change, changes, drift, markdown


def entry(address: str, *actions: str) -> dict[str, Any]:
    return {"address": address, "change": {"actions": list(actions)}}


def test_changes_are_listed_and_mere_reads_are_not() -> None:
    plan = {"resource_changes": [entry("a.x", "no-op"), entry("b.x", "read"), entry("c.x", "delete", "create")]}
    assert changes(plan) == [Change(address="c.x", actions=("delete", "create"))]


def test_drift_lists_the_changes_a_deploy_would_revert() -> None:
    def changed(address: str, *actions: str, **attributes: tuple[Any, Any]) -> dict[str, Any]:
        before, after = ({name: pair[side] for name, pair in attributes.items()} for side in (0, 1))
        return {"address": address, "change": {"actions": list(actions), "before": before, "after": after}}

    plan = {
        "resource_changes": [
            changed("queue.x", "update", days=(1, 14)),
            changed("bucket.x", "create"),
            changed("pool.x", "no-op", machines=(7, 7)),
            changed("policy.x", "update", text=("old", "new")),
            changed("parameter.x", "create", value=(None, "x")),
        ],
        # pool: machines come and go, which is ignored; bucket: merged, not deployed yet; policy: its new text is not
        # deployed yet, and it has a user more than before, which nobody changes back
        "resource_drift": [
            changed("queue.x", "update", days=(14, 1)),
            changed("pool.x", "update", machines=(0, 7)),
            changed("policy.x", "update", users=(0, 1)),
            changed("parameter.x", "delete", value=("x", None)),
        ],
    }
    assert [each.address for each in drift(plan)] == ["queue.x", "parameter.x"]


def test_counts_are_listed_before_losses_of_data() -> None:
    planned = [
        Change(address="aws_sqs_queue.A", actions=("create",)),
        Change(address="aws_s3_bucket.Inputs", actions=("delete", "create")),
        Change(address="aws_sns_topic.B", actions=("delete",)),
        Change(address="aws_s3_bucket.Kept", actions=("forget",)),
    ]
    lines = markdown("prod", planned, "the text\n").splitlines()
    assert lines[0] == "### prod: 1 to create, 1 to replace, 1 to delete, 1 to forget"
    assert "> - `aws_s3_bucket.Inputs`: replace" in lines
    assert not any("aws_sns_topic" in line or "Kept" in line for line in lines)
    assert lines[-4:] == ["```text", "the text", "```", "</details>"]


def test_a_plan_without_losses_warns_of_none() -> None:
    assert "CAUTION" not in markdown("dev", [Change(address="aws_s3_bucket.A", actions=("update",))], "x")


def test_a_plan_without_changes_is_one_line() -> None:
    assert markdown("dev", [], "no changes") == "### dev: nothing changes\n"
