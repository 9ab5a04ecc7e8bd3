"""Check a policy against the Service Authorization Reference."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from checks.rights.documents import Document
from checks.rights.reference import Action, ResourceType, actions, is_global, page, same_key

__all__ = ["Fault", "check", "matches"]

Json = Mapping[str, Any]

_NEGATIONS = ("NotAction", "NotPrincipal", "NotResource")
_SLASHES = {
    *("InstanceProfileNameWithPath", "LogGroupName", "LogStreamName", "ObjectName", "PolicyNameWithPath"),
    *("ParameterNameWithoutLeadingSlash", "RepositoryName", "RoleNameWithPath", "SecretId", "UserNameWithPath"),
}
"""Parts of ARNs that may contain slashes."""
_COLONS = {"LogGroupName", "ObjectName"}
"""Parts of ARNs that may contain colons. A log group's ARN has two forms, with and without ``:*``:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html."""


_ISSUERS_KEY = re.compile(r"[\w.-]+(/[\w./-]+)?:(amr|aud|email|oaud|sub)")
"""Keys of any identity provider, named by its host; the reference lists them for a few providers only:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif."""
_BESIDE = {"iam:PassRole": "arn:${Partition}:iam::${Account}:instance-profile/${InstanceProfileNameWithPath}"}
"""Forms of ARNs on which AWS authorizes an action, and which the reference lacks. AWS's own policy for users of Batch
grants this on the profile: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBatchFullAccess.html."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A statement that AWS would refuse or interpret differently than intended."""

    stack: str
    resource: str
    sid: str
    text: str
    """The rule, the value that was got, and the fix."""
    page: str
    """URL of the service's page in the reference."""

    def __str__(self) -> str:
        return f"{self.stack}: {self.resource}: {self.sid or 'no sid'}: {self.text}; see {self.page}"


def check(document: Document) -> Iterator[Fault]:
    """Yield the faults of one policy."""

    def fault(statement: Json, pattern: str, text: str) -> Fault:
        return Fault(
            stack=document.stack,
            resource=document.resource,
            sid=statement.get("Sid", ""),
            text=text,
            page=page(pattern.partition(":")[0]),
        )

    for statement in document.statements:
        for name in _NEGATIONS:
            if name in statement:
                yield fault(statement, "", f"a policy must say what it grants, got {name}: list the contrary")
        for pattern in _listed(statement.get("Action")):
            found = actions(pattern)
            if not found:
                yield fault(statement, pattern, f"an action must exist, got {pattern}: correct its name")
                continue
            for text in (*_resources(statement, pattern, found), *_conditions(statement, pattern, found)):
                yield fault(statement, pattern, text)
        for resource in _idle(statement):
            first = _listed(statement["Action"])[0]
            yield fault(
                statement,
                first,
                f"a resource must be of a type that one of the statement's actions has, got {resource}: remove it",
            )
    for statement, action, type_ in _lacking(document.statements):
        yield fault(
            statement,
            action.name,
            f"{action.name} must be granted on each type of resource that it requires, got none of type {type_.name}: "
            f"add such an ARN ({' or '.join(type_.formats)})",
        )
    for statement, action, type_, key in _shut_out(document.statements):
        yield fault(
            statement,
            action.name,
            f"a condition key must exist for each type of resource that it is put on, got {key} for {action.name} on "
            f"{type_.name}, on which no call is granted so: grant it on {' or '.join(type_.formats)} in a statement "
            f"with a key that it has ({', '.join(sorted(type_.keys | action.keys)) or 'none'})",
        )


def _listed(value: Any) -> Sequence[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _resources(statement: Json, pattern: str, found: Sequence[Action]) -> Iterator[str]:
    """Whether a resource of the statement has a type that the action supports. Trust policies have no resources."""
    resources = _listed(statement.get("Resource"))
    if not resources or any(_fits(action, resources) for action in found):
        return
    got = ", ".join(resources)
    if all(action.needs_everything for action in found):
        yield f'{pattern} has no resource type that every call names, so it needs "*", got {got}: grant it on "*"'
    else:
        yield (
            f"{pattern} must be granted on a resource of a type that it has, got {got}: grant it on "
            f"{' or '.join(sorted({_formats(action) for action in found if action.types}))}"
        )


def _fits(action: Action, resources: Iterable[str]) -> bool:
    if "*" in resources:
        return True
    forms = [form for type_ in action.types for form in type_.formats]
    if action.name in _BESIDE:
        forms.append(_BESIDE[action.name])
    return not action.needs_everything and any(matches(each, form) for each in resources for form in forms)


def _of_type(type_: ResourceType, resources: Iterable[str]) -> bool:
    return "*" in resources or any(matches(each, form) for each in resources for form in type_.formats)


def _conditions(statement: Json, pattern: str, found: Sequence[Action]) -> Iterator[str]:
    resources = _listed(statement.get("Resource"))
    for key in _own_keys(statement):
        if not any(_knows(action, resources, key) for action in found):
            known = sorted({each for action in found for each in _keys(action, resources)})
            if len(known) > 12:
                known = [*known[:12], "…"]
            yield (
                f"a condition key must exist for the action on that type of resource, got {key} for {pattern}: remove "
                f"it, or use one of {', '.join(known) or 'the global keys'}"
            )


def _own_keys(statement: Json) -> list[str]:
    return [key for operator in statement.get("Condition", {}).values() for key in operator if not is_global(key)]


def _knows(action: Action, resources: Sequence[str], key: str) -> bool:
    if action.name == "sts:AssumeRoleWithWebIdentity" and _ISSUERS_KEY.fullmatch(key):
        return True
    return any(same_key(key, each) for each in _keys(action, resources))


def _keys(action: Action, resources: Sequence[str]) -> Iterator[str]:
    yield from action.keys
    for type_ in action.types:
        if not resources or _of_type(type_, resources):
            yield from type_.keys


def _idle(statement: Json) -> Iterator[str]:
    """Yield resources that none of the statement's actions support."""
    found = [action for pattern in _listed(statement.get("Action")) for action in actions(pattern)]
    for resource in _listed(statement.get("Resource")) if found else ():
        if not any(_fits(action, [resource]) for action in found):
            yield resource


def _lacking(statements: Sequence[Json]) -> Iterator[tuple[Json, Action, ResourceType]]:
    """Yield required resource types of actions that no statement grants; skip actions with wildcards."""
    granted: dict[str, tuple[Json, Action, list[str]]] = {}
    for statement in statements:
        resources = _listed(statement.get("Resource"))
        for pattern in _listed(statement.get("Action")):
            found = actions(pattern)
            if resources and statement.get("Effect") == "Allow" and len(found) == 1:
                granted.setdefault(pattern, (statement, found[0], []))[2].extend(resources)
    for statement, action, resources in granted.values():
        if "Principal" in statement or not _fits(action, resources):
            continue  # a resource's own policy speaks of that resource alone
        for type_ in action.types:
            if type_.required and not _of_type(type_, resources):
                yield statement, action, type_


def _shut_out(statements: Sequence[Json]) -> Iterator[tuple[Json, Action, ResourceType, str]]:
    """Yield resource types that are granted only under a condition key that does not exist for them.

    So it is when security group rules are made with tags: the call is authorized on the group, which may be asked for
    its tags, and on the rules, which have none yet.
    """
    shut: dict[tuple[str, str], tuple[Json, Action, ResourceType, str]] = {}
    open_: set[tuple[str, str]] = set()
    for statement in statements:
        resources = _listed(statement.get("Resource"))
        if statement.get("Effect") != "Allow" or not resources:
            continue
        keys = _own_keys(statement)
        for action in {action for pattern in _listed(statement.get("Action")) for action in actions(pattern)}:
            for type_ in action.types:
                if not _of_type(type_, resources):
                    continue
                known = action.keys | type_.keys
                missing = [key for key in keys if not any(same_key(key, each) for each in known)]
                if not missing:
                    open_.add((action.name, type_.name))
                elif _knows(action, resources, missing[0]):  # else `_conditions` says so
                    shut.setdefault((action.name, type_.name), (statement, action, type_, missing[0]))
    yield from (shut[each] for each in sorted(shut.keys() - open_))


def _formats(action: Action) -> str:
    return " or ".join(form for type_ in action.types for form in type_.formats)


@cache
def matches(pattern: str, form: str) -> bool:
    """Whether a policy's ARN, with ``*`` and ``?``, can match an ARN of the documented format."""
    parts: list[str | frozenset[str]] = []  # a character, or those that a placeholder cannot hold
    for name, literal in re.findall(r"\$\{(\w+)\}|([^$]+)", form):
        if name:
            parts.append(frozenset("/" * (name not in _SLASHES) + ":" * (name not in _COLONS)))
        else:
            parts += literal

    @cache
    def same(at: int, part: int) -> bool:
        if at == len(pattern):
            return part == len(parts)
        got = pattern[at]
        if part == len(parts):
            return got == "*" and same(at + 1, part)
        if got == "*":  # stands for nothing, or for this part and perhaps more
            return same(at + 1, part) or same(at, part + 1)
        wanted = parts[part]
        if isinstance(wanted, str):
            return got in ("?", wanted) and same(at + 1, part + 1)
        return got not in wanted and (same(at + 1, part) or same(at + 1, part + 1))

    return same(0, 0)
