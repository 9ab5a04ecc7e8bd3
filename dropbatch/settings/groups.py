"""Rules for groups: their pipelines, folders and members."""

from collections.abc import Iterator

from dropbatch.contract import keys
from dropbatch.contract.limits import MICRO_USD, VCPU_MS, format_amount, max_usage
from dropbatch.contract.suggestions import known_names
from dropbatch.settings.group import GroupSettings
from dropbatch.settings.models import Settings

__all__ = ["check"]

_MOST_GROUPS = 10  # managed policies of an IAM user
_TRUST_CHARACTERS = 1700  # for names in a role's trust policy, which has 2,048
_PREFIX_CHARACTERS = 800  # for prefixes in a group's managed policy, which has 6,144; each is in it twice


def check(settings: Settings) -> Iterator[str]:
    """Yield faults of groups, in the form of `rules.check`."""
    yield from _memberships(settings)
    for name, group in settings.group.items():
        where = f"group.{name}"
        for key in ("members", "users", "contacts", "pipelines", "read_prefixes"):
            yield from _twice(f"{where}.{key}", getattr(group, key) or ())
        yield from _sizes(where, group)
        yield from _pipelines(settings, where, group)
        yield from _limit(settings, where, name, group)
        for prefix in group.read_prefixes:
            yield from _prefix(f"{where}.read_prefixes", name, prefix)


def _twice(where: str, values: tuple[str, ...]) -> Iterator[str]:
    for value in sorted({value for value in values if values.count(value) > 1}):
        yield f"{where}: must not repeat a value, got {value!r} twice: name it once"


def _memberships(settings: Settings) -> Iterator[str]:
    for user in sorted({user for group in settings.group.values() for user in group.users}):
        mine = sorted(name for name, group in settings.group.items() if user in group.users)
        if len(mine) > _MOST_GROUPS:
            yield (
                f"group.{mine[-1]}.users: must not name a user of more than {_MOST_GROUPS} groups, for AWS attaches no "
                f"more policies to one, got {user!r} in {len(mine)}: leave some out, or make them a member by role"
            )


def _sizes(where: str, group: GroupSettings) -> Iterator[str]:
    """Yield faults against AWS limits that a deploy would meet only halfway through."""
    accounts = {member.split(":")[4] for member in group.members}
    got = sum(len(member) + len('"",') for member in group.members) + len(accounts) * len(
        '"arn:aws:iam::123456789012:root",'
    )
    if got > _TRUST_CHARACTERS:
        yield (
            f"{where}.members: must fit the {_TRUST_CHARACTERS} characters that a role's trust policy has for them, "
            f"got {got}: name roles by a pattern, or attach the group's policy to theirs"
        )
    got = sum(map(len, group.read_prefixes))
    if got > _PREFIX_CHARACTERS:
        yield (
            f"{where}.read_prefixes: must fit the {_PREFIX_CHARACTERS} characters that a group's policy has for them, "
            f"got {got}: name a folder above them"
        )


def _pipelines(settings: Settings, where: str, group: GroupSettings) -> Iterator[str]:
    for pipeline in group.pipelines or ():
        if pipeline not in settings.pipeline:
            hint = known_names(pipeline, settings.pipeline)
            yield f"{where}.pipelines: must name declared pipelines, got {pipeline!r}: {hint}"


def _limit(settings: Settings, where: str, name: str, group: GroupSettings) -> Iterator[str]:
    if group.monthly_vcpu_hours is not None and group.monthly_usd is not None:
        yield (
            f"{where}.monthly_usd: must not stand beside monthly_vcpu_hours, got {group.monthly_usd} beside "
            f"{group.monthly_vcpu_hours}: choose one of them"
        )
    limit = group.limit
    if limit is None:
        return
    mine = {pipeline: settings.pipeline[pipeline] for pipeline in settings.pipeline if group.allows(pipeline)}
    pools = {pool for pipeline in mine.values() for pool in pipeline.pools if pool in settings.compute}
    without = sorted(pools - settings.prices.keys())
    if limit.unit == MICRO_USD and without:
        yield (
            f"{where}.monthly_usd: needs prices of the pools that the group uses, got none of {', '.join(without)}: "
            "set usd_per_vcpu_hour and usd_per_gib_hour there, or a limit in monthly_vcpu_hours"
        )
        return
    for pipeline, about in mine.items():
        need = max_usage(
            limit.unit,
            vcpus=about.vcpus,
            memory_mib=about.memory_mib,
            timeout_minutes=about.timeout_minutes,
            prices=[settings.prices[pool] for pool in about.pools if pool in settings.prices],
        )
        if need > limit.amount:
            key = "monthly_vcpu_hours" if limit.unit == VCPU_MS else "monthly_usd"
            yield (
                f"{where}.{key}: must suffice for one run of pipeline {pipeline!r}, which may use "
                f"{format_amount(limit.unit, need)}, got {format_amount(limit.unit, limit.amount)}: "
                "raise it, or lower the pipeline's timeout_minutes"
            )


def _prefix(where: str, group: str, prefix: str) -> Iterator[str]:
    parts = prefix.removesuffix("/").split("/")
    if {"", ".", ".."} & set(parts):
        yield f"{where}: must be a folder's whole name, without //, . and .., got {prefix!r}: write it out"
    elif parts[0] == group:
        yield f"{where}: must lie outside the group's own folder, which it reads anyway, got {prefix!r}: remove it"
    elif f"{parts[0]}/" == keys.CONTROL_PREFIX:
        yield f"{where}: must not be among the system's own objects, got {prefix!r}: remove it"
