"""Used permissions, as (role, action, resource), and unused grants of policies."""

import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Grant", "Recorder", "Use", "policies_of", "unused"]

_MOST_RESOURCES = 5000
_ROLE = re.compile(r"arn:[^:]*:sts::\d*:assumed-role/([^/]+)/")
_UNSEEN = re.compile(r"logs:|ecr:|ecs:|ec2:|sqs:(ReceiveMessage|DeleteMessage|GetQueueAttributes|ChangeMessage.*)$")

Use = tuple[str, str, str]
"""Role, action, ARN."""


class Recorder:
    """Calls allowed since the sandbox started. At most 5,000 resources are kept per role and action."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str], set[str]] = defaultdict(set)

    def record(self, principal: str, action: str, resource: str) -> None:
        """Record one allowed call of a role; ignore other principals."""
        if role := _ROLE.match(principal):
            with self._lock:
                resources = self._used[role[1], action]
                if len(resources) < _MOST_RESOURCES:
                    resources.add(resource)

    def uses(self) -> list[Use]:
        """Return all recorded uses, sorted."""
        with self._lock:
            return sorted((role, action, each) for (role, action), found in self._used.items() for each in found)


@dataclass(frozen=True, order=True, kw_only=True)
class Grant:
    """One action on one resource that a statement of a role's policy allows."""

    role: str
    policy: str
    action: str
    resource: str

    @property
    def checked(self) -> bool:
        """Return whether the sandbox can observe its use: AWS's own agents, absent here, use some permissions."""
        return not _UNSEEN.match(self.action)


def unused(documents: Iterable[tuple[str, str, Any]], uses: Iterable[Use]) -> list[Grant]:
    """Return the grants in `documents` (role, policy name, document) that no entry of `uses` needed."""
    by_role: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for role, action, resource in uses:
        by_role[role].append((action, resource))

    def needed(grant: Grant) -> bool:
        action, resource = _pattern(grant.action.lower()), _pattern(grant.resource)
        return any(action.match(done.lower()) and resource.match(arn) for done, arn in by_role[grant.role])

    grants = {grant for role, name, document in documents for grant in _grants(role, name, document)}
    return sorted(grant for grant in grants if not needed(grant))


def policies_of(iam: Any, prefix: str) -> Iterator[tuple[str, str, Any]]:
    """Return role, policy name and document of each inline policy of roles whose names have this prefix."""
    for page in iam.get_paginator("list_roles").paginate():
        for name in (str(role["RoleName"]) for role in page["Roles"] if role["RoleName"].startswith(prefix)):
            for policies in iam.get_paginator("list_role_policies").paginate(RoleName=name):
                for policy in policies["PolicyNames"]:
                    yield name, policy, iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]


def _grants(role: str, policy: str, document: Any) -> Iterator[Grant]:
    statements = (json.loads(document) if isinstance(document, str) else document)["Statement"]
    for statement in [statements] if isinstance(statements, dict) else statements:
        if statement["Effect"] == "Allow":
            for action in _list(statement.get("Action")):
                for resource in _list(statement.get("Resource")):
                    yield Grant(role=role, policy=policy, action=action, resource=resource)


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    parts = ({"*": ".*", "?": "."}.get(each) or re.escape(each) for each in re.split(r"([*?])", glob))
    return re.compile("".join(parts) + r"\Z", re.DOTALL)
