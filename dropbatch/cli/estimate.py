"""Estimate a request: the number of runs, and their maximum cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import NotFoundError
from dropbatch.contract import globs, keys

__all__ = ["MaxCost", "count_inputs", "count_missing", "max_cost"]


@dataclass(frozen=True, kw_only=True)
class MaxCost:
    """Maximum usage and cost of some runs, if every try lasts until its timeout. None: unknown."""

    runs: int
    vcpu_hours: float | None = None
    gib_hours: float | None = None
    usd: float | None = None

    def __add__(self, other: "MaxCost") -> "MaxCost":
        """Return the sum; a value is unknown if one part is."""
        return MaxCost(
            runs=self.runs + other.runs,
            vcpu_hours=_plus(self.vcpu_hours, other.vcpu_hours),
            gib_hours=_plus(self.gib_hours, other.gib_hours),
            usd=_plus(self.usd, other.usd),
        )

    @property
    def words(self) -> str:
        """For people: ``at worst 150.0 vCPU-hours, 75.0 GiB-hours, cost unknown``."""
        if self.vcpu_hours is None or self.gib_hours is None:
            return "at worst: unknown"
        cost = "cost unknown: not all pools have prices" if self.usd is None else f"{self.usd:.2f} USD"
        return f"at worst {self.vcpu_hours:.1f} vCPU-hours, {self.gib_hours:.1f} GiB-hours, {cost}"


def _plus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def count_inputs(deployed: Deployed, named: Sequence[str]) -> int:
    """Return the number of inputs that a submission names: by key, as folders, or by patterns.

    Raises:
        NotFoundError: a name matches no object.
    """
    found: set[tuple[str, str]] = set()
    for text in named:
        bucket, key = keys.split_uri(text) if text.startswith("s3://") else (deployed.description.input_bucket, text)
        matching = set(_matching(deployed, bucket, key))
        if not matching:
            raise NotFoundError(
                f"{text} matches no object: see `aws s3 ls {keys.uri(bucket, globs.literal_prefix(key))}`"
            )
        found |= {(bucket, each) for each in matching}
    return len(found)


def _matching(deployed: Deployed, bucket: str, key: str) -> Iterator[str]:
    if globs.is_glob(key):
        fits = globs.matcher(key)
        listed = _keys(deployed, bucket, globs.literal_prefix(key))
        yield from (each for each in listed if fits(each) and not each.endswith("/"))
    elif key.endswith("/"):
        yield from ([key] if any(each != key for each in islice(_keys(deployed, bucket, key), 2)) else [])
    else:
        yield from (each for each in islice(_keys(deployed, bucket, key), 1) if each == key)


def _keys(deployed: Deployed, bucket: str, prefix: str) -> Iterator[str]:
    pages = deployed.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return (each["Key"] for page in pages for each in page.get("Contents", []))


def count_missing(deployed: Deployed, prefix: str) -> int:
    """Return the number of files below a prefix, including those that have a run already."""
    listed = _keys(deployed, deployed.description.input_bucket, prefix)
    return sum(1 for key in listed if not key.endswith("/"))


def max_cost(deployed: Deployed, pipeline: str, runs: int, overrides: Any = None) -> MaxCost:
    """Return the maximum usage of runs of a pipeline, and their cost in the most expensive pool."""
    needs = deployed.description.needs.get(pipeline)
    if needs is None:
        return MaxCost(runs=runs)
    hours = runs * needs.tries * _asked(overrides, "timeout_minutes", needs.timeout_minutes) / 60
    vcpu_hours = hours * _asked(overrides, "vcpus", needs.vcpus)
    gib_hours = hours * _asked(overrides, "memory_mib", needs.memory_mib) / 1024
    costs = {pool: vcpu_hours * vcpu + gib_hours * gib for pool, (vcpu, gib) in deployed.description.prices.items()}
    # A pool without prices may be the most expensive one: then the maximum cost is unknown.
    usd = max(costs.values()) if costs and costs.keys() >= deployed.description.pools.keys() else None
    return MaxCost(runs=runs, vcpu_hours=vcpu_hours, gib_hours=gib_hours, usd=usd)


def _asked(overrides: Any, name: str, default: int) -> int:
    """Return the override, or the default. A value that is not a number is rejected later, with the request."""
    value = overrides.get(name) if isinstance(overrides, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else default
