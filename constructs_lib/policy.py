"""IAM policy documents as plain data: what a grant says, and its JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.json_text import json_text

__all__ = ["Statement", "policy_json", "tls_only"]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of a policy."""

    sid: str
    """What the statement is for; letters and digits."""
    actions: Sequence[str]
    resources: Sequence[str] = ()
    """Empty in a role's trust policy only."""
    service: str | None = None
    """Principal of a resource policy: an AWS service such as ``s3.amazonaws.com``."""
    federated: str | None = None
    """Principal of a role's trust: ARN of an identity provider."""
    accounts: Sequence[str] = ()
    """Principals of a role's trust: accounts, by the ARNs of their owners."""
    anyone: bool = False
    """Principal of a resource policy: everybody. For denials."""
    allow: bool = True
    conditions: Mapping[str, Mapping[str, str | Sequence[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(action == "*" or action.endswith(":*") for action in self.actions) and self.allow:
            raise ValueError(f"{self.sid}: grants must name their actions, got {list(self.actions)}: list each action")

    def body(self) -> dict[str, Any]:
        """The statement as IAM writes it."""
        body: dict[str, Any] = {"Sid": self.sid, "Effect": "Allow" if self.allow else "Deny"}
        if self.service:
            body["Principal"] = {"Service": self.service}
        elif self.federated:
            body["Principal"] = {"Federated": self.federated}
        elif self.accounts:
            body["Principal"] = {"AWS": list(self.accounts)}
        elif self.anyone:
            body["Principal"] = "*"
        body["Action"] = list(self.actions)
        if self.resources:
            body["Resource"] = list(self.resources)
        if self.conditions:
            body["Condition"] = {
                test: {key: value if isinstance(value, str) else list(value) for key, value in keys.items()}
                for test, keys in self.conditions.items()
            }
        return body


def policy_json(statements: Sequence[Statement]) -> str:
    """Text of a policy document.

    Raises:
        ValueError: two statements have the same id, which IAM refuses.
    """
    names = [statement.sid for statement in statements]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"a policy's statements must differ in their sid, got {twice} twice: name what each is for")
    return json_text({"Version": "2012-10-17", "Statement": [statement.body() for statement in statements]})


def tls_only(service: str, *resources: str) -> Statement:
    """Refuses every request that comes by plain HTTP, whoever sends it."""
    return Statement(
        sid="RefusePlainHttp",
        allow=False,
        anyone=True,
        actions=[f"{service}:*"],
        resources=resources,
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
