"""What the runtime needs of a run, from its RUN item."""

from collections.abc import Mapping
from typing import Any

from dropbatch.contract.keys import split_uri
from dropbatch.contract.manifest import ObjectSpec, RunSpec

__all__ = ["spec_of"]


def spec_of(item: Mapping[str, Any]) -> RunSpec:
    """What the runtime needs of a RUN item, except for the objects of a folder that was pinned."""
    bucket, key = split_uri(item["input"])
    return RunSpec(
        run_id=item["run_id"],
        attempt=item["attempt"],
        group=item["group"],
        pipeline=item["pipeline"],
        bucket=bucket,
        key=key,
        version_id=item["version_id"],
        size=item["size"],
        output=item["output_prefix"],
        parameters=item["parameters"],
        config=ObjectSpec(**item["config"]) if "config" in item else None,
        marker=item.get("marker", ""),
        pool=item["pool"],
        earlier=tuple(item.get("earlier", ())),
    )
