"""Jobs that Batch refuses to accept, with Batch's reason. Their runs wait."""

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
    """A job whose last submission was refused by Batch."""

    job_name: str
    group: str
    pipeline: str
    runs: int
    reason: str
    """Batch's error message."""
    since: str
    """First refusal; ISO-8601, in UTC."""
    at: str
    """Last refusal; ISO-8601, in UTC."""

    @property
    def words(self) -> str:
        """For people: ``Batch refused its job 3 min ago, first 2 h ago: ClientException: …``."""
        first = f", first {age(self.since)}" if self.since != self.at else ""
        return f"Batch refused its job {age(self.at)}{first}: {printable(self.reason)}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def refusals(dynamodb: Any, table: str, group: str) -> dict[str, Refusal]:
    """Return the jobs of a group that Batch currently refuses, by job name, ordered by their last refusal.

    Jobs that were not submitted again in the last two reconcile intervals are left out: their runs were cancelled, or
    the environment is paused.
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
    """Return the jobs of a group in a deployed environment that Batch currently refuses, by job name."""
    return refusals(deployed.dynamodb, deployed.description.ledger_table, group)


def held_by(run: Run, known: Mapping[str, Refusal]) -> Refusal | None:
    """Return the refusal that holds the run, or None."""
    return known.get(run.item.get("job_name", "")) if run.state is State.HELD else None


def in_words(found: Sequence[Refusal]) -> str:
    """Return ``2 jobs with 120 runs, first 2 h ago: …``, with the last reason."""
    since = min(refusal.since for refusal in found)
    runs = sum(refusal.runs for refusal in found)
    return (
        f"{counted(len(found), 'job')} with {counted(runs, 'run')}, first {age(since)}: {printable(found[-1].reason)}"
    )


def _refusal(item: Mapping[str, Any]) -> Refusal:
    refusal = item["refused"]
    return Refusal(
        job_name=item["id"].removeprefix(ledger.job_key("")),
        group=item["group"],
        pipeline=item["pipeline"],
        runs=item["size"],
        reason=refusal["reason"],
        since=refusal["since"],
        at=refusal["at"],
    )
