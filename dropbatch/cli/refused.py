"""Jobs that Batch refuses, and why: what their runs wait for."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.runs import Run
from dropbatch.cli.text import age, counted, printable
from dropbatch.contract import ledger
from dropbatch.contract.runs import State

__all__ = ["Refusal", "held_by", "in_words", "refusals", "refusals_of"]

_FIELDS = "id, #group, pipeline, #size, refused"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A job that Batch refused when it was submitted last."""

    job_name: str
    group: str
    pipeline: str
    runs: int
    reason: str
    """Batch's own words."""
    since: str
    """When it was refused first, in ISO-8601 and UTC; so with `at`, the last time."""
    at: str

    @property
    def words(self) -> str:
        """``Batch refused its job 3 min ago, first 2 h ago: ClientException: …``."""
        first = f", first {age(self.since)}" if self.since != self.at else ""
        return f"Batch refused its job {age(self.at)}{first}: {printable(self.reason)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for programs."""
        return asdict(self)


def refusals(dynamodb: Any, table: str, group: str) -> dict[str, Refusal]:
    """Jobs of a group that Batch refuses at present, by name, the one that was refused last at the end.

    A job of which nothing was heard for two rounds of reconcile is none of them: its runs were cancelled, or everything
    is paused.
    """
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName=ledger.BY_DAY,
        KeyConditionExpression="#day = :group AND created_at > :now",
        ProjectionExpression=_FIELDS,
        ExpressionAttributeNames={"#day": "day", "#group": "group", "#size": "size"},
        ExpressionAttributeValues=ledger.to_item(
            {":group": ledger.refused_key(group), ":now": ledger.timestamp(datetime.now(UTC))}
        ),
    )
    found = [_refusal(ledger.from_item(item)) for page in pages for item in page["Items"]]
    return {refusal.job_name: refusal for refusal in found}


def refusals_of(deployed: Deployed, group: str) -> dict[str, Refusal]:
    """Jobs of a group in a deployed environment that Batch refuses at present, by name."""
    return refusals(deployed.dynamodb, deployed.description.ledger_table, group)


def held_by(run: Run, known: Mapping[str, Refusal]) -> Refusal | None:
    """The refusal that a run waits for the end of, if it does."""
    return known.get(run.item.get("job_name", "")) if run.state is State.HELD else None


def in_words(found: Sequence[Refusal]) -> str:
    """``2 jobs with 120 runs since 2 h ago: …``, with the reason that was given last."""
    since = min(refusal.since for refusal in found)
    runs = sum(refusal.runs for refusal in found)
    return (
        f"{counted(len(found), 'job')} with {counted(runs, 'run')}, first {age(since)}: {printable(found[-1].reason)}"
    )


def _refusal(item: Mapping[str, Any]) -> Refusal:
    said = item["refused"]
    return Refusal(
        job_name=item["id"].removeprefix(ledger.job_key("")),
        group=item["group"],
        pipeline=item["pipeline"],
        runs=item["size"],
        reason=said["reason"],
        since=said["since"],
        at=said["at"],
    )
