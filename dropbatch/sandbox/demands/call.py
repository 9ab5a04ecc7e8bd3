"""A call of AWS's API, access to its parameters by path, and the resulting IAM checks."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Call", "Demand", "json_members", "query_members", "tag_context"]


@dataclass(frozen=True, kw_only=True)
class Demand:
    """One IAM check: an action, a resource and the condition keys."""

    action: str
    resource: str
    context: Mapping[str, str | list[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call, independent of its protocol."""

    action: str
    """IAM's name of the call, such as ``lambda:CreateFunction``."""
    resource: str
    """ARN that IAM checks the action on; ``*`` if it has none."""
    members: Mapping[str, Any]
    """The request, nested as AWS's models have it. Lists of the query protocol are numbered mappings."""
    region: str = "eu-central-1"
    account: str = "000000000000"

    @property
    def service(self) -> str:
        """Return the action's service prefix."""
        return self.action.partition(":")[0]

    @property
    def operation(self) -> str:
        """Return the action without its prefix."""
        return self.action.partition(":")[2]

    def values(self, path: str) -> list[str]:
        """Return all strings at `path`: member names separated by dots, with ``[]`` after a list's name."""
        return [str(each) for each in self.found(path) if isinstance(each, (str, int)) and str(each)]

    def found(self, path: str) -> list[Any]:
        """Return all values at `path`."""
        at: list[Any] = [self.members]
        for name in path.split("."):
            at = [each[name.removesuffix("[]")] for each in at if name.removesuffix("[]") in each]
            if name.endswith("[]"):
                at = [item for each in at for item in _items(each)]
            at = [each for each in at if each is not None]
        return at

    def arn(self, resource: str) -> str:
        """Return the ARN of a regional resource of the call's service."""
        return f"arn:aws:{self.service}:{self.region}:{self.account}:{resource}"


def json_members(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON request; empty for any other body."""
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def query_members(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a request of the query protocol: ``A.1.B`` becomes ``{"A": {"1": {"B": …}}}``."""
    members: dict[str, Any] = {}
    for name, value in parameters.items():
        *parents, last = name.split(".")
        at = members
        for parent in parents:
            below = at.setdefault(parent, {})
            if not isinstance(below, dict):
                break
            at = below
        else:
            at[last] = value[0] if isinstance(value, list) and value else value
    return members


def tag_context(tags: Any) -> dict[str, str | list[str]]:
    """Return the condition keys from a request's tags: ``aws:RequestTag/…`` and ``aws:TagKeys``."""
    pairs = dict(_tags(tags))
    return {**{f"aws:RequestTag/{key}": value for key, value in pairs.items()}, "aws:TagKeys": list(pairs)}


def _tags(tags: Any) -> Iterator[tuple[str, str]]:
    listed = _items(tags) if not isinstance(tags, dict) or _numbered(tags) else None
    if listed is None:
        yield from ((str(key), str(value)) for key, value in tags.items())
        return
    for each in listed:
        if isinstance(each, dict):
            lower = {str(key).lower(): value for key, value in each.items()}
            yield str(lower.get("key", "")), str(lower.get("value", ""))


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        numbered = value.get("member", value)
        return [numbered[key] for key in sorted(numbered, key=int)] if _numbered(value) else []
    return list(value) if isinstance(value, list) else [value]


def _numbered(value: dict[str, Any]) -> bool:
    inner = value.get("member", value)
    return isinstance(inner, dict) and bool(inner) and all(str(key).isdigit() for key in inner)
