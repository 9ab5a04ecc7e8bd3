"""Scheduling policies: create, update, delete, describe, list."""

from typing import Any

from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.paging import page
from dropbatch.sandbox.batch.store import Resource, Store

__all__ = ["Policies"]

_KIND = "scheduling-policy"


class Policies:
    """Operations on scheduling policies."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateSchedulingPolicy."""
        name = request["name"]
        if name in self._store.policies:
            raise ClientError("Object already exists")
        policy: Resource = {
            "name": name,
            "arn": self._store.arns.of(_KIND, name),
            "fairsharePolicy": _fair_share(request.get("fairsharePolicy") or {}),
            "tags": dict(request.get("tags") or {}),
        }
        self._store.policies[name] = policy
        return {"name": name, "arn": policy["arn"]}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateSchedulingPolicy."""
        self._get(request["arn"])["fairsharePolicy"] = _fair_share(request.get("fairsharePolicy") or {})
        return {}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteSchedulingPolicy; no queue may use it."""
        policy = self._get(request["arn"])
        if any(queue.get("schedulingPolicyArn") == policy["arn"] for queue in self._store.queues.values()):
            raise ClientError("Cannot delete, found existing JobQueue relationship")
        del self._store.policies[policy["name"]]
        return {}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeSchedulingPolicies."""
        names = [self._store.arns.name(_KIND, arn) for arn in request["arns"]]
        return {"schedulingPolicies": [self._store.policies[name] for name in names if name in self._store.policies]}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListSchedulingPolicies."""
        found, token = page([{"arn": policy["arn"]} for policy in self._store.policies.values()], request)
        return {"schedulingPolicies": found, **token}

    def _get(self, arn: str) -> Resource:
        policy = self._store.policies.get(self._store.arns.name(_KIND, arn))
        if policy is None:
            raise ClientError(f"{arn} does not exist")
        return policy


def _fair_share(policy: dict[str, Any]) -> dict[str, Any]:
    """Return a ``FairsharePolicy`` with AWS's defaults."""
    return {
        "shareDecaySeconds": policy.get("shareDecaySeconds", 0),
        "computeReservation": policy.get("computeReservation", 0),
        "shareDistribution": [
            {"weightFactor": 1.0, **{key: value for key, value in entry.items() if value is not None}}
            for entry in policy.get("shareDistribution") or []
        ],
    }
