"""Rules of AWS Batch for queues, compute environments, scheduling policies, definitions and tags."""

import re
from collections.abc import Iterator
from functools import partial

from dropbatch.contract.batch_reasons import TIME_LIMIT_REASONS
from dropbatch.sandbox.rules import rule
from dropbatch.sandbox.rules.batch import API, CODE, GUIDE
from dropbatch.sandbox.rules.rule import Known, Params, Rule, values

__all__ = ["RESOURCE_RULES"]

_between = partial(rule.between, code=CODE)
_longest = partial(rule.longest, code=CODE)
_matching = partial(rule.matching, code=CODE)
_rule = partial(Rule, code=CODE)

_QUEUE = ("CreateJobQueue", "UpdateJobQueue")
_POLICY = ("CreateSchedulingPolicy", "UpdateSchedulingPolicy")
_TIME_LIMIT = "jobStateTimeLimitActions[]"
_NAMES = {
    "CreateComputeEnvironment": "computeEnvironmentName",
    "CreateJobQueue": "jobQueueName",
    "CreateSchedulingPolicy": "name",
    "RegisterJobDefinition": "jobDefinitionName",
}
_LISTED = {
    "DescribeComputeEnvironments": "computeEnvironments",
    "DescribeJobQueues": "jobQueues",
    "DescribeJobDefinitions": "jobDefinitions",
}
_TAGGED = ("SubmitJob", "CreateComputeEnvironment", "CreateJobQueue", "CreateSchedulingPolicy", "RegisterJobDefinition")
_SHARE = re.compile(r"[A-Za-z0-9]{1,255}\*?")


def _shares(params: Params, known: Known) -> Iterator[str]:
    found = [share for _, share in values(params, "fairsharePolicy.shareDistribution[].shareIdentifier")]
    for index, share in enumerate(found):
        if not _SHARE.fullmatch(share):
            yield f"shareIdentifier: must be 1 to 255 letters and digits, with * only at the end, got {share!r}"
        for other in found[:index]:
            if _overlap(share, other):
                yield f"shareIdentifier: must not overlap, got {other!r} and {share!r}"


def _overlap(one: str, other: str) -> bool:
    if one.endswith("*") and other.startswith(one[:-1]):
        return True
    return one == other or (other.endswith("*") and one.startswith(other[:-1]))


def _reserved_tags(params: Params, known: Known) -> Iterator[str]:
    for pair in (params.get("tags") or {}).items():
        for text in pair:
            if text.lower().startswith("aws:"):
                yield f"tags: no key and no value may begin with aws:, got {text!r}"


def _resources_of_managed(params: Params, known: Known) -> Iterator[str]:
    resources = params.get("computeResources")
    if params.get("type") != "MANAGED":
        return
    if not resources:
        yield "computeResources: required for a MANAGED environment"
        return
    if str(resources.get("type")) not in {"EC2", "SPOT"}:
        return
    for name in ("subnets", "instanceRole"):
        if not resources.get(name):
            yield f"computeResources.{name}: required for EC2 and SPOT"
    best_fit = resources.get("allocationStrategy") in {None, "BEST_FIT"}
    if resources["type"] == "SPOT" and best_fit and not resources.get("spotIamFleetRole"):
        yield "computeResources.spotIamFleetRole: required for SPOT with BEST_FIT or without an allocation strategy"


def _launch_template(params: Params, known: Known) -> Iterator[str]:
    for place, template in values(params, "computeResources.launchTemplate"):
        given = [name for name in ("launchTemplateId", "launchTemplateName") if template.get(name)]
        if len(given) != 1:
            yield f"{place}: exactly one of launchTemplateId and launchTemplateName, got {given or 'none'}"


RESOURCE_RULES: tuple[Rule, ...] = (
    *(
        _matching(
            "name",
            (operation,),
            member,
            r"[A-Za-z0-9_-]{1,128}",
            "1 to 128 letters, digits, hyphens or underscores",
            source=f"{API}{operation}.html",
        )
        for operation, member in _NAMES.items()
    ),
    *(
        _longest("described at once", (operation,), member, 100, source=f"{API}{operation}.html")
        for operation, member in _LISTED.items()
    ),
    *(
        _between("page", (operation,), "maxResults", 1, 100, source=f"{API}{operation}.html")
        for operation in (*_LISTED, "ListSchedulingPolicies")
    ),
    _longest("environments of a queue", _QUEUE, "computeEnvironmentOrder", 3, source=f"{API}CreateJobQueue.html"),
    _between(
        "seconds of a time limit",
        _QUEUE,
        f"{_TIME_LIMIT}.maxTimeSeconds",
        600,
        86_400,
        source=f"{API}JobStateTimeLimitAction.html",
    ),
    _matching(
        "state of a time limit",
        _QUEUE,
        f"{_TIME_LIMIT}.state",
        "RUNNABLE",
        "RUNNABLE",
        source=f"{API}JobStateTimeLimitAction.html",
    ),
    _matching(
        "action of a time limit",
        _QUEUE,
        f"{_TIME_LIMIT}.action",
        "CANCEL",
        "CANCEL on a queue of compute environments",
        source=f"{API}JobStateTimeLimitAction.html",
    ),
    _matching(
        "reason of a time limit",
        _QUEUE,
        f"{_TIME_LIMIT}.reason",
        "|".join(reason.start for reason in TIME_LIMIT_REASONS),
        "a status reason that time limits support",
        source=f"{GUIDE}job_stuck_in_runnable_time_limit_actions.html",
    ),
    _between(
        "decay of shares",
        _POLICY,
        "fairsharePolicy.shareDecaySeconds",
        0,
        604_800,
        source=f"{API}FairsharePolicy.html",
    ),
    _between("reservation", _POLICY, "fairsharePolicy.computeReservation", 0, 99, source=f"{API}FairsharePolicy.html"),
    _between(
        "weight of a share",
        _POLICY,
        "fairsharePolicy.shareDistribution[].weightFactor",
        0.0001,
        999.9999,
        source=f"{API}ShareAttributes.html",
    ),
    _rule(name="share identifiers", operations=_POLICY, check=_shares, source=f"{API}ShareAttributes.html"),
    _longest(
        "shares of a policy", _POLICY, "fairsharePolicy.shareDistribution", 500, source=f"{API}ShareAttributes.html"
    ),
    _matching(
        "state of a new environment",
        ("CreateComputeEnvironment",),
        "state",
        "ENABLED",
        "ENABLED when it is created",
        source=f"{API}CreateComputeEnvironment.html",
    ),
    _rule(
        name="resources of a managed environment",
        operations=("CreateComputeEnvironment",),
        check=_resources_of_managed,
        source=f"{API}ComputeResource.html",
    ),
    _rule(
        name="launch template by id or by name",
        operations=("CreateComputeEnvironment",),
        check=_launch_template,
        source=f"{API}LaunchTemplateSpecification.html",
    ),
    _longest(
        "image types",
        ("CreateComputeEnvironment",),
        "computeResources.ec2Configuration",
        2,
        source=f"{API}ComputeResource.html",
    ),
    _longest(
        "image",
        ("RegisterJobDefinition",),
        "containerProperties.image",
        255,
        source=f"{API}ContainerProperties.html",
        unit="characters",
    ),
    _matching(
        "name of a volume",
        ("RegisterJobDefinition",),
        "containerProperties.volumes[].name",
        r"[A-Za-z0-9_-]{1,255}",
        "1 to 255 letters, digits, hyphens or underscores",
        source=f"{API}Volume.html",
    ),
    _longest("tags", (*_TAGGED, "TagResource"), "tags", 50, source=f"{GUIDE}tag-restrictions.html", unit="tags"),
    _rule(
        name="reserved tags",
        operations=(*_TAGGED, "TagResource"),
        check=_reserved_tags,
        source=f"{GUIDE}tag-restrictions.html",
    ),
)
