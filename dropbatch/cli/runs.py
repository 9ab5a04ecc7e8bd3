"""Read runs from the ledger: one by id or file name, recent ones, and follow some until they end."""

import functools
import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import NotFoundError, UsageFault
from dropbatch.cli.offline import retry_while_offline
from dropbatch.contract import keys, ledger
from dropbatch.contract.batches import read_items
from dropbatch.contract.runs import State
from dropbatch.contract.suggestions import did_you_mean

__all__ = [
    "Run",
    "by_day",
    "days_since",
    "find",
    "follow",
    "get_many",
    "newest",
    "newest_of_file",
    "of_request",
    "read_item",
    "took",
]

FULL_ID = re.compile(r"r-[0-9a-f]{20}")
_PREFIX = re.compile(r"(?:r-)?([0-9a-f]{1,20})")
_SUGGESTED_FROM = 1000  # recent runs that are compared with a mistyped id
_AT_ONCE = 8
_FIRST_SECONDS, _LONGEST_SECONDS = 0.15, 2.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """The fields of a run in the ledger that commands show. Times are ISO-8601 in UTC, or empty."""

    run_id: str
    group: str
    pipeline: str
    state: State
    attempt: int
    input: str
    """``s3://`` URI."""
    output_prefix: str
    """Key prefix in the output bucket; empty for a file that was rejected."""
    reason: str
    job_id: str
    created_at: str
    started_at: str
    stopped_at: str
    updated_at: str
    item: Mapping[str, Any] = field(repr=False, compare=False)
    """All fields of the item, as plain values."""

    @property
    def name(self) -> str:
        """The input's key below its pipeline's folder."""
        return keys.InputKey.parse(keys.split_uri(self.input)[1]).rest if self.input else ""

    def outcome(self) -> dict[str, Any]:
        """Return the state and result of the run as plain values for JSON."""
        return {
            "run_id": self.run_id,
            "state": self.state,
            "reason": self.reason or None,
            "input": self.input,
            "output_prefix": self.output_prefix,
        }


def read_item(item: Mapping[str, Any]) -> Run:
    """Return a run from the plain values of its item."""
    return Run(
        run_id=item["run_id"],
        group=item["group"],
        pipeline=item.get("pipeline", ""),
        state=State(item["state"]),
        attempt=item.get("attempt", 0),
        input=item.get("input", ""),
        output_prefix=item.get("output_prefix", ""),
        reason=item.get("reason", ""),
        job_id=item.get("job_id", ""),
        created_at=item.get("created_at", ""),
        started_at=item.get("started_at", ""),
        stopped_at=item.get("stopped_at", ""),
        updated_at=item.get("updated_at", ""),
        item=item,
    )


def took(run: Run) -> float | None:
    """Return the seconds from start to end of the job; None while one is unknown."""
    if not (run.started_at and run.stopped_at):
        return None
    return (datetime.fromisoformat(run.stopped_at) - datetime.fromisoformat(run.started_at)).total_seconds()


def get_many(deployed: Deployed, group: str, run_ids: Sequence[str]) -> dict[str, Run]:
    """Return the runs with these ids, by id; ids that the ledger does not have are left out."""
    keys_of = (ledger.run_key(group, run_id) for run_id in run_ids)
    items = read_items(deployed.dynamodb, deployed.description.ledger_table, keys_of)
    return {item["run_id"]: read_item(item) for item in items.values()}


def find(
    deployed: Deployed, group: str, text: str, *, days: int = 30, fits: Callable[[Run], bool] = lambda run: True
) -> Run:
    """Return the run that `text` names: by its id, by the beginning of its id, or by the name or key of its file.

    Of several runs of a file, return the newest one that `fits`, or the newest one if none fits.

    Raises:
        UsageFault: the text is a malformed run id, or the beginning of several ids.
        NotFoundError: no recent run matches.
    """
    match = _PREFIX.fullmatch(text)
    if match is None and text.startswith("r-"):
        raise UsageFault(f"{text!r} is not a run id: ids look like r-1f0c22aa93, see `dropbatch status`")
    found = _beginning(deployed, group, f"r-{match[1]}", days) if match else []
    if len(found) > 1:
        listed = ", ".join(run.run_id for run in found[:4])
        raise UsageFault(
            f"{len(found)} runs begin with r-{match[1] if match else ''}: {listed}{', …' if len(found) > 4 else ''}: "
            "give more characters"
        )
    if found:
        return found[0]
    of_file = None if text.startswith("r-") else newest_of_file(deployed, group, text, days=days, fits=fits)
    if of_file is not None:
        return of_file
    raise _not_found(deployed, group, text, is_id=match is not None, days=days)


def _beginning(deployed: Deployed, group: str, prefix: str, days: int) -> list[Run]:
    if FULL_ID.fullmatch(prefix):
        return list(get_many(deployed, group, [prefix]).values())
    return _search(deployed, group, days, "begins_with(run_id, :text)", prefix)


def newest_of_file(
    deployed: Deployed, group: str, text: str, *, days: int = 30, fits: Callable[[Run], bool] = lambda run: True
) -> Run | None:
    """Return the newest recent run of the file with this name, key or URI, preferring runs that `fits` accepts."""
    found = [run for run in _search(deployed, group, days, "contains(#input, :text)", text) if text in _names(run)]
    return max(found, key=lambda run: (fits(run), run.created_at), default=None)


def _search(deployed: Deployed, group: str, days: int, only: str, text: str) -> list[Run]:
    """Return recent runs that match a filter expression about `:text`; all shards are queried in parallel."""
    deployed.dynamodb  # noqa: B018 – made here, not by several threads at once
    names = {"#input": "input"} if "#input" in only else {}
    since = datetime.now(UTC) - timedelta(days=days - 1)
    places = [key for day in days_since(since) for key in ledger.day_keys(group, day)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = pool.map(
            lambda key: list(_query(deployed, key, only=only, names=names, values={":text": text})), places
        )
        return list(itertools.chain.from_iterable(parts))


def _not_found(deployed: Deployed, group: str, text: str, *, is_id: bool, days: int) -> NotFoundError:
    """Return the error for a run that does not exist, with a similar id or name as a suggestion."""
    recent = newest(deployed, group, since=datetime.now(UTC) - timedelta(days=days), limit=_SUGGESTED_FROM)
    if is_id:
        prefix = f"r-{text.removeprefix('r-')}"
        near = did_you_mean(prefix, {run.run_id[: len(prefix)] for run in recent})
        return NotFoundError(f"group {group} has no run {prefix} in the last {days} days: {near}see `dropbatch status`")
    near = did_you_mean(text, {name for run in recent if run.input for name in _names(run)})
    return NotFoundError(
        f"{text!r} is neither a file that group {group} dropped in the last {days} days nor the beginning of a run's "
        f"id, such as r-1f0c: {near}see `dropbatch status`"
    )


def _names(run: Run) -> tuple[str, ...]:
    """Return the names of the run's input that commands accept: its path below the pipeline's folder, key and URI."""
    return (run.name, keys.split_uri(run.input)[1], run.input) if run.input else ()


def newest(deployed: Deployed, group: str, *, since: datetime, limit: int, pipeline: str | None = None) -> list[Run]:
    """Return the most recently created runs, newest first, reading few others."""

    def newest_of_shard(key: str) -> list[Run]:
        shard = (run for run in _query(deployed, key, page=max(limit, 1)) if pipeline in {None, run.pipeline})
        return list(itertools.islice(shard, limit))

    found: list[Run] = []
    deployed.dynamodb  # noqa: B018 – made here, not by several threads at once
    days = (datetime.now(UTC).date() - since.date()).days + 1
    for back in range(days):
        day = datetime.now(UTC).date() - timedelta(days=back)
        with ThreadPoolExecutor(ledger.SHARDS) as pool:
            shards = list(pool.map(newest_of_shard, ledger.day_keys(group, day.isoformat())))
        of_day = itertools.chain.from_iterable(shards)
        found += sorted(of_day, key=lambda run: (run.created_at, run.run_id), reverse=True)
        if len(found) >= limit:
            break
    return [run for run in found[:limit] if run.created_at >= ledger.timestamp(since)]


def days_since(since: datetime, now: datetime | None = None) -> list[str]:
    """Return the days from today back to the day of `since`, as ``yyyy-mm-dd``."""
    today = (now or datetime.now(UTC)).date()
    return [(today - timedelta(days=back)).isoformat() for back in range((today - since.date()).days + 1)]


def by_day(deployed: Deployed, group: str, *, days: int) -> Iterator[Run]:
    """Yield the runs of the last `days` days, today first."""
    today = datetime.now(UTC).date()
    for back in range(days):
        for day in ledger.day_keys(group, (today - timedelta(days=back)).isoformat()):
            yield from _query(deployed, day)


def of_request(deployed: Deployed, group: str, key: str, *, since: datetime) -> Iterator[Run]:
    """Yield the runs that the request with this key started after `since`."""
    for day in days_since(since):
        for shard in ledger.day_keys(group, day):
            yield from _query(
                deployed,
                shard,
                since=ledger.timestamp(since),
                only="#request = :request",
                names={"#request": "request"},
                values={":request": key},
            )


def _query(
    deployed: Deployed,
    day: str,
    *,
    page: int | None = None,
    since: str = "",
    only: str = "",
    names: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
) -> Iterator[Run]:
    """Yield the runs of a day and shard, newest first; `only` is a filter expression with its names and values."""
    asked = {":day": day, **({":since": since} if since else {}), **(values or {})}
    condition: Any = {"FilterExpression": only} if only else {}
    for answer in deployed.dynamodb.get_paginator("query").paginate(
        TableName=deployed.description.ledger_table,
        IndexName=ledger.BY_DAY,
        KeyConditionExpression="#day = :day" + (" AND created_at >= :since" if since else ""),
        ExpressionAttributeNames={"#day": "day", **(names or {})},
        ExpressionAttributeValues=ledger.to_item(asked),
        ScanIndexForward=False,
        PaginationConfig={"PageSize": page} if page else {},
        **condition,
    ):
        yield from (read_item(ledger.from_item(item)) for item in answer["Items"])


def follow(
    deployed: Deployed,
    group: str,
    run_ids: Sequence[str],
    moved: Callable[[Run], None],
    *,
    waiting: Callable[[float], None] = lambda seconds: None,
    away: Callable[[str], None] = lambda text: None,
    attempts: Mapping[str, int] | None = None,
) -> dict[str, Run]:
    """Poll runs until all are in a final state; call `moved` with a run whenever its state changes.

    Args:
        deployed: environment of the runs.
        group: group of the runs.
        run_ids: ids of the runs, which need not be in the ledger yet.
        moved: called with every state that was read; states that pass between two polls are missed.
        waiting: called after every poll with the seconds since the last change.
        away: called with a message while the network is unavailable, for up to ten minutes.
        attempts: attempt to wait for, by run id; earlier attempts are ignored.
    """
    attempts = attempts or {}
    states: dict[str, State] = {}
    done: dict[str, Run] = {}
    pause, last = _FIRST_SECONDS, time.monotonic()
    while True:
        open_ids = [run_id for run_id in run_ids if run_id not in done]
        for run in retry_while_offline(functools.partial(get_many, deployed, group, open_ids), away).values():
            if run.attempt < attempts.get(run.run_id, 0):
                continue
            if states.get(run.run_id) != run.state:
                states[run.run_id] = run.state
                moved(run)
                pause, last = _FIRST_SECONDS, time.monotonic()
            if run.state.final:
                done[run.run_id] = run
        if len(done) == len(set(run_ids)):
            return done
        waiting(time.monotonic() - last)
        time.sleep(pause)
        pause = min(pause * 1.15, _LONGEST_SECONDS)
