"""Checks of the account: credentials, region, service-linked roles, cost tag and quotas."""

import re
from collections import defaultdict
from collections.abc import Iterator

from dropbatch.cli.doctor.findings import Check, Finding, ok, problem, unknown
from dropbatch.cli.doctor.subject import PoolNeed, Subject
from dropbatch.cli.errors import CredentialsError, in_words

__all__ = ["CHECKS", "COST_TAG", "SERVICE_ROLES"]

COST_TAG = "research-stack-id"
_BILLING_REGION = "us-east-1"

SERVICE_ROLES = {
    "AWSServiceRoleForBatch": "batch.amazonaws.com",
    "AWSServiceRoleForECS": "ecs.amazonaws.com",
    "AWSServiceRoleForEC2Spot": "spot.amazonaws.com",
}
"""Service-linked roles that pools need: name and service."""

_QUOTAS = {
    # (class of machines, spot) -> Service Quotas' code, all in vCPUs.
    ("standard", False): "L-1216C47A",
    ("standard", True): "L-34B43A08",
    ("G and VT (GPU)", False): "L-DB2E81BA",
    ("G and VT (GPU)", True): "L-3819A6DF",
    ("P (GPU)", False): "L-417A185B",
    ("P (GPU)", True): "L-7212CCBC",
    ("X", False): "L-7295265B",
    ("X", True): "L-E3A00192",
}
_CLASSES = {
    **dict.fromkeys("acdhimrtz", "standard"),
    **dict.fromkeys(("im", "is"), "standard"),
    **dict.fromkeys(("g", "gr", "vt"), "G and VT (GPU)"),
    "p": "P (GPU)",
    "x": "X",
}
_LETTERS = re.compile(r"[a-z]+")


def _credentials(subject: Subject) -> Iterator[Finding]:
    try:
        caller = subject.client("sts").get_caller_identity()
    except Exception as error:
        words = in_words(error)
        if not isinstance(words, CredentialsError):
            raise
        text, _, fix = words.message.rpartition(": ")
        yield problem(text, fix)
        return
    yield ok(f"{caller['Arn']}, account {caller['Account']}")


def _region(subject: Subject) -> Iterator[Finding]:
    listed = subject.client("ec2").describe_regions(RegionNames=[subject.region], AllRegions=True)["Regions"]
    status = listed[0]["OptInStatus"] if listed else "not known"
    if status == "not-opted-in":
        yield problem(
            f"{subject.region} is not enabled for this account", "enable it in the console: Account, AWS Regions"
        )
    elif status in {"opted-in", "opt-in-not-required"}:
        yield ok(f"{subject.region}, enabled for this account")
    else:
        yield unknown(f"{subject.region}: {status}")


def _roles(subject: Subject) -> Iterator[Finding]:
    iam = subject.client("iam")
    needed = {name: service for name, service in SERVICE_ROLES.items() if "Spot" not in name}
    if any(pool.spot for pool in subject.pools):
        needed = SERVICE_ROLES
    for name, service in needed.items():
        try:
            iam.get_role(RoleName=name)
        except iam.exceptions.NoSuchEntityException:
            if subject.sandbox:
                yield unknown(f"{name} does not exist; the sandbox does not need it, AWS does")
                continue
            yield problem(
                f"{name} is missing",
                f"`npx cdktf deploy bootstrap`, or `aws iam create-service-linked-role --aws-service-name {service}`",
            )
        else:
            yield ok(name)


def _cost_tag(subject: Subject) -> Iterator[Finding]:
    billing = subject.client("ce", region=_BILLING_REGION)
    tags = billing.list_cost_allocation_tags(TagKeys=[COST_TAG])["CostAllocationTags"]
    status = tags[0]["Status"] if tags else "not known to billing yet"
    if status == "Active":
        yield ok(f"{COST_TAG} is active")
    else:
        yield problem(
            f"{COST_TAG} is {status.lower()}: the budget sees no cost, and never pauses the environment",
            "activate it in the billing console, Cost allocation tags; it appears there a day after the first deploy",
        )


def _quotas(subject: Subject) -> Iterator[Finding]:
    by_class: dict[tuple[str, bool], list[PoolNeed]] = defaultdict(list)
    for pool in subject.pools:
        for kind in sorted({_class_of(name) for name in pool.instance_types}):
            by_class[kind, pool.spot].append(pool)
    for (kind, spot), pools in sorted(by_class.items()):
        what = f"{kind} {'spot' if spot else 'on-demand'}"
        code = _QUOTAS.get((kind, spot))
        if code is None:
            yield unknown(f"{what}: the quota of these machines is unknown to dropbatch")
            continue
        allowed = _quota(subject, code)
        wanted = sum(pool.max_vcpus for pool in pools)
        names = ", ".join(pool.name for pool in pools)
        if allowed < wanted:
            yield problem(
                f"{what}: the quota is {allowed:.0f} vCPUs, {names} may use {wanted}",
                f"request an increase: Service Quotas, EC2, {code}; or lower max_vcpus",
            )
        else:
            yield ok(f"{what}: {allowed:.0f} vCPUs, {names} may use {wanted}")


def _class_of(instance_type: str) -> str:
    match = _LETTERS.match(instance_type)
    return _CLASSES.get(match[0] if match else "", instance_type)


def _quota(subject: Subject, code: str) -> float:
    quotas = subject.client("service-quotas")
    try:
        found = quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)
    except quotas.exceptions.NoSuchResourceException:  # the account has the default quota
        found = quotas.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode=code)
    return float(found["Quota"]["Value"])


CHECKS = (
    Check(name="credentials", look=_credentials),
    Check(name="region", look=_region),
    Check(name="service-linked roles", look=_roles),
    Check(name="cost tag", look=_cost_tag),
    Check(name="vCPU quotas", look=_quotas),
)
