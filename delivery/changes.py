"""Read Terraform's plan: planned changes, and drift (changes made outside Terraform)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from delivery.github import cut

__all__ = ["Change", "changes", "drift", "markdown"]

_IDLE = ({"no-op"}, {"read"})
_WITH_DATA = ("aws_s3_bucket", "aws_dynamodb_table", "aws_ecr_repository")
_TEXT_LIMIT = 50_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """A planned change of a resource, or a change that was made outside Terraform."""

    address: str
    actions: tuple[str, ...]
    """``create``, ``update``, ``delete``, two of them to replace; ``forget`` removes it from the state only."""

    @property
    def loses_data(self) -> bool:
        """Whether the change deletes a resource that stores data."""
        return "delete" in self.actions and self.address.split(".")[0] in _WITH_DATA

    @property
    def words(self) -> str:
        """The action as one word, for display."""
        return "replace" if len(self.actions) > 1 else self.actions[0]


def changes(plan: Mapping[str, Any]) -> list[Change]:
    """Return the planned changes in the output of ``terraform show -json``."""
    return [each for each in map(_change, plan.get("resource_changes", [])) if set(each.actions) not in _IDLE]


def drift(plan: Mapping[str, Any]) -> list[Change]:
    """Return the changes made outside Terraform that a deploy would revert.

    Terraform's list of drift also contains harmless differences, such as the current number of machines, and its plan
    also contains changes that are merged but not deployed. So only attributes that are in both lists count as drift.
    """
    undone = {each["address"]: _attributes(each["change"]) for each in plan.get("resource_changes", [])}
    done = {each.address for each in changes(plan)}
    return [
        _change(each)
        for each in plan.get("resource_drift", [])
        if each["address"] in done
        and ("delete" in each["change"]["actions"] or _attributes(each["change"]) & undone[each["address"]])
    ]


def _attributes(change: Mapping[str, Any]) -> set[str]:
    """Return the names of the attributes that differ."""
    before, after = change.get("before") or {}, change.get("after") or {}
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return names | {name for name, unknown in (change.get("after_unknown") or {}).items() if unknown}


def _change(each: Mapping[str, Any]) -> Change:
    return Change(address=each["address"], actions=tuple(each["change"]["actions"]))


def markdown(environment: str, planned: list[Change], text: str) -> str:
    """Return a plan as Markdown for GitHub: counts, then changes that delete data, then the full plan, collapsed."""
    if not planned:
        return f"### {environment}: nothing changes\n"
    words = ("create", "update", "replace", "delete", "forget")
    count = {word: sum(each.words == word for each in planned) for word in words}
    said = ", ".join(f"{number} to {word}" for word, number in count.items() if number)
    lines = [f"### {environment}: {said}", ""]
    losing = [each for each in planned if each.loses_data]
    if losing:
        lines += ["> [!CAUTION]", "> Data goes with these:", ">"]
        lines += [f"> - `{each.address}`: {each.words}" for each in losing] + [""]
    fence = "`" * 3
    lines += ["<details><summary>the plan</summary>", "", f"{fence}text", text.strip(), fence, "</details>", ""]
    return cut("\n".join(lines), _TEXT_LIMIT)
