"""Rules for containers: variables, secrets, mounts, and limits of AWS Batch."""

import json
from collections.abc import Iterator

from dropbatch.settings.models import PipelineSettings, RetryRule, Settings

__all__ = ["check"]

_MOST_BYTES = 20 * 1024
"""A job definition holds 24 KiB; the rest is for what we add."""
_OURS = ("AWS_", "DROPBATCH_", "ECS_")
_TAKEN = ("/", "/tmp", "/proc", "/sys", "/dev", "/etc", "/opt/dropbatch", "/opt/pipeline")  # noqa: S108
_ULIMITS = (
    "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()  # noqa: SIM905
)


def check(settings: Settings) -> Iterator[str]:
    """Yield faults of the pipelines' containers, in the form of `rules.check`."""
    for name, pipeline in settings.pipeline.items():
        where = f"pipeline.{name}"
        yield from _variables(where, pipeline)
        yield from _mounts(where, pipeline)
        yield from _limits(where, pipeline)
        yield from _tags(where, pipeline)
        for index, rule in enumerate(pipeline.retry):
            yield from _rule(f"{where}.retry[{index}]", rule)


def _variables(where: str, pipeline: PipelineSettings) -> Iterator[str]:
    for table, names in (("environment", pipeline.environment), ("secrets", pipeline.secrets)):
        for name in names:
            if name.startswith(_OURS):
                yield (
                    f"{where}.{table}.{name}: must not begin with {', '.join(_OURS)}, got {name!r}: those are set by "
                    "AWS and by us: choose another name"
                )
    for name in pipeline.secrets:
        if name in pipeline.environment:
            yield (f"{where}.secrets.{name}: must not be in environment too, got both: remove one of them")
    if pipeline.secret_keys and not pipeline.secrets:
        yield (
            f"{where}.secret_keys: must go with secrets, got {list(pipeline.secret_keys)} without any: name the "
            "secrets, or remove the keys"
        )


def _mounts(where: str, pipeline: PipelineSettings) -> Iterator[str]:
    targets = [target.partition(":")[0].rstrip("/") or "/" for target in pipeline.mounts.values()]
    for source, target in zip(pipeline.mounts, targets, strict=True):
        if target in _TAKEN:
            yield (
                f"{where}.mounts: must not hide a folder that the container needs, got {target!r} for {source!r}: "
                "choose another place, such as /ref"
            )
        if targets.count(target) > 1:
            yield f"{where}.mounts: must not use a place twice, got {target!r} for {source!r}: choose another"


def _limits(where: str, pipeline: PipelineSettings) -> Iterator[str]:
    for name in pipeline.ulimits:
        if name not in _ULIMITS:
            yield f"{where}.ulimits.{name}: must be one of {', '.join(_ULIMITS)}, got {name!r}: choose one of them"
    if pipeline.shared_memory_mib is not None and pipeline.shared_memory_mib > pipeline.memory_mib:
        yield (
            f"{where}.shared_memory_mib: must not exceed memory_mib ({pipeline.memory_mib}), of which it is part, got "
            f"{pipeline.shared_memory_mib}: lower it"
        )
    size = len(json.dumps([pipeline.command, dict(pipeline.environment), dict(pipeline.secrets)]).encode())
    if size > _MOST_BYTES:
        yield (
            f"{where}: command, environment and secrets must together be at most {_MOST_BYTES} bytes, which a job "
            f"definition can hold, got {size}: move something into a file"
        )


def _tags(where: str, pipeline: PipelineSettings) -> Iterator[str]:
    for key in pipeline.tags:
        if key.lower().startswith(("aws:", "dropbatch:")) or key == "research-stack-id":
            yield f"{where}.tags: must not be a tag of AWS or of ours, got {key!r}: choose another key"


def _rule(where: str, rule: RetryRule) -> Iterator[str]:
    if rule.exit_code is None and rule.reason is None and rule.status_reason is None:
        yield f"{where}: must say when: exit_code, reason or status_reason, got none: add one"
