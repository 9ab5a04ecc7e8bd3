"""Rules about groups: what they may use and read, and who their people are."""

import difflib
from collections.abc import Iterator

from dropbatch.contract import keys
from dropbatch.settings.group import GroupSettings
from dropbatch.settings.models import Settings

__all__ = ["check"]


def check(settings: Settings) -> Iterator[str]:
    """Faults of groups, as in `rules.check`."""
    for name, group in settings.group.items():
        where = f"group.{name}"
        for key in ("members", "users", "pipelines", "read_prefixes"):
            yield from _twice(f"{where}.{key}", getattr(group, key) or ())
        yield from _pipelines(settings, where, group)
        for prefix in group.read_prefixes:
            yield from _prefix(f"{where}.read_prefixes", name, prefix)


def _twice(where: str, values: tuple[str, ...]) -> Iterator[str]:
    for value in sorted({value for value in values if values.count(value) > 1}):
        yield f"{where}: must not repeat a value, got {value!r} twice: name it once"


def _pipelines(settings: Settings, where: str, group: GroupSettings) -> Iterator[str]:
    for pipeline in group.pipelines or ():
        if pipeline not in settings.pipeline:
            near = difflib.get_close_matches(pipeline, settings.pipeline, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"declared are {', '.join(sorted(settings.pipeline))}"
            yield f"{where}.pipelines: must name declared pipelines, got {pipeline!r}: {hint}"


def _prefix(where: str, group: str, prefix: str) -> Iterator[str]:
    parts = prefix.removesuffix("/").split("/")
    if {"", ".", ".."} & set(parts):
        yield f"{where}: must be a folder's whole name, without //, . and .., got {prefix!r}: write it out"
    elif parts[0] == group:
        yield f"{where}: must lie outside the group's own folder, which it reads anyway, got {prefix!r}: remove it"
    elif f"{parts[0]}/" == keys.CONTROL_PREFIX:
        yield f"{where}: must not be among the system's own objects, got {prefix!r}: remove it"
