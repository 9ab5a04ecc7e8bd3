"""Compute the contents of the report from the facts of all runs: sums, distributions and the timeline. Pure."""

import bisect
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from dropbatch.cli.report.facts import Fact
from dropbatch.contract.runs import State

__all__ = ["ROWS", "summarize"]

ROWS = 60
"""Maximum number of runs with a row each in the timeline; for more runs it shows how many waited and ran."""

_MOMENTS = 240
_SPREAD = 20
"""If the drops span more than this many times the longest run, each row starts at its own run's drop."""
_LONGEST = 10
_REASONS = 12
_OWN = re.compile(r"\b(r-[0-9a-f]{20}|[0-9a-f]{8}-[0-9a-f-]{27,}|s3://\S+|\d{5,})")
"""Ids, URIs and long numbers, which are removed to group similar reasons. Exit codes are shorter, and are kept."""

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 86_400)
"""Bounds of the histogram of durations, in seconds."""


def summarize(facts: Sequence[Fact]) -> dict[str, Any]:
    """Return the data that the page shows."""
    facts = sorted(facts, key=lambda fact: (fact.created_at, fact.run_id))
    pools = sorted({fact.pool for fact in facts if fact.pool})
    # Rejected files are left out: their folder need not be a pipeline.
    pipelines = sorted({fact.pipeline for fact in facts if fact.wait_seconds is not None or fact.usd is not None})
    return {
        "pools": pools,
        "pipelines": pipelines,
        "totals": _totals(facts),
        "rows": _rows(facts) if len(facts) <= ROWS else None,
        "load": _load(facts, pools) if len(facts) > ROWS else None,
        "durations": _durations(facts, pipelines),
        "memory": _memory(facts, pipelines),
        "cost": _cost(facts, pipelines),
        "failures": _failures(facts),
        "longest": [
            {"run_id": fact.run_id, "name": fact.name, "pipeline": fact.pipeline, "seconds": fact.run_seconds}
            for fact in sorted(facts, key=lambda fact: -(fact.run_seconds or 0))[:_LONGEST]
            if fact.run_seconds is not None
        ],
    }


def _totals(facts: Sequence[Fact]) -> dict[str, Any]:
    states = Counter(fact.state for fact in facts)
    ended = sum(count for state, count in states.items() if state.final)
    known = [fact.usd for fact in facts if fact.usd is not None]
    unknown = sum(fact.usd is None and fact.run_seconds is not None for fact in facts)
    return {
        "runs": len(facts),
        "states": {state: states[state] for state in State if states[state]},
        "succeeded_percent": round(100 * states[State.SUCCEEDED] / ended, 1) if ended else None,
        "median_wait_seconds": _median([fact.wait_seconds for fact in facts]),
        "median_run_seconds": _median([fact.run_seconds for fact in facts]),
        "run_hours": sum(fact.run_seconds or 0 for fact in facts) / 3600,
        "usd": sum(known) if known else None,
        "cost_unknown_of": unknown,
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _rows(facts: Sequence[Fact]) -> dict[str, Any]:
    """Return a row for each run: seconds from the origin to its drop, and the time it waited, started and ran."""
    placed = [fact for fact in facts if fact.wait_seconds is not None]
    if not placed:
        return {"relative": False, "origin": None, "runs": []}
    origin = datetime.fromisoformat(placed[0].created_at)
    at = [(datetime.fromisoformat(fact.created_at) - origin).total_seconds() for fact in placed]
    relative = max(at) > _SPREAD * max(1, *(fact.total_seconds for fact in placed))
    return {
        "relative": relative,
        "origin": placed[0].created_at,
        "runs": [
            {
                "run_id": fact.run_id,
                "name": fact.name,
                "pool": fact.pool,
                "state": fact.state,
                "at": 0.0 if relative else offset,
                "wait": fact.wait_seconds,
                "start": fact.start_seconds or 0,
                "run": fact.run_seconds or 0,
            }
            for fact, offset in zip(placed, at, strict=True)
        ],
    }


def _load(facts: Sequence[Fact], pools: Sequence[str]) -> dict[str, Any] | None:
    """Return the maximum number of runs that waited, and that ran per pool, in equal intervals of time."""
    spans: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for fact in facts:
        if fact.wait_seconds is None:
            continue
        created = datetime.fromisoformat(fact.created_at)
        started = created + timedelta(seconds=fact.wait_seconds)
        spans["waiting"].append((created, started))
        if fact.run_seconds is not None:
            lasted = timedelta(seconds=(fact.start_seconds or 0) + fact.run_seconds)
            spans[fact.pool].append((started, started + lasted))
    every = list(itertools.chain.from_iterable(spans.values()))
    if not every:
        return None
    first, last = min(begin for begin, _ in every), max(end for _, end in every)
    step = max((last - first) / _MOMENTS, timedelta(milliseconds=1))
    return {
        "origin": first.isoformat(),
        "step_seconds": step.total_seconds(),
        "waiting": _most(spans["waiting"], first, step),
        "pools": {pool: _most(spans[pool], first, step) for pool in pools},
    }


def _most(spans: Sequence[tuple[datetime, datetime]], first: datetime, step: timedelta) -> list[int]:
    """Return the maximum number of overlapping spans within each step."""
    changes = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    found, now, index = [], 0, 0
    for number in range(_MOMENTS):
        until = first + (number + 1) * step
        most = now
        while index < len(changes) and (changes[index][0] < until or number == _MOMENTS - 1):
            now += changes[index][1]
            most = max(most, now)
            index += 1
        found.append(most)
    return found


def _durations(facts: Sequence[Fact], pipelines: Sequence[str]) -> dict[str, Any] | None:
    """Return the histogram of durations, for each pipeline."""
    known = [(fact.pipeline, fact.run_seconds) for fact in facts if fact.run_seconds is not None]
    if not known:
        return None
    index = [bisect.bisect_right(_STEPS, seconds) for _, seconds in known]
    low, high = min(index), max(index)
    counts = {pipeline: [0] * (high - low + 1) for pipeline in pipelines}
    for (pipeline, _), place in zip(known, index, strict=True):
        counts[pipeline][place - low] += 1
    return {
        "from": [_STEPS[place - 1] if place else 0 for place in range(low, high + 1)],
        "to": [_STEPS[place] if place < len(_STEPS) else None for place in range(low, high + 1)],
        "counts": counts,
    }


def _memory(facts: Sequence[Fact], pipelines: Sequence[str]) -> list[dict[str, Any]]:
    """Return requested and used memory of each pipeline, from runs where both are known."""
    found = []
    for pipeline in pipelines:
        both = [
            (fact.memory_asked_mib, fact.memory_used_mib)
            for fact in facts
            if fact.pipeline == pipeline and fact.memory_asked_mib and fact.memory_used_mib
        ]
        if not both:
            continue
        used = sorted(used for _, used in both)
        found.append(
            {
                "pipeline": pipeline,
                "runs": len(both),
                "asked": max(asked for asked, _ in both),
                "median": median(used),
                "most_95": used[max(math.ceil(0.95 * len(used)) - 1, 0)],
                "most": used[-1],
            }
        )
    return found


def _cost(facts: Sequence[Fact], pipelines: Sequence[str]) -> dict[str, Any] | None:
    """Return US dollars by day of the drop, for each pipeline; None when no cost is known."""
    known = [fact for fact in facts if fact.usd is not None]
    if not any(fact.usd for fact in known):
        return None
    first, last = known[0].created_at[:10], known[-1].created_at[:10]
    start = datetime.fromisoformat(first)
    days = [
        (start + timedelta(days=number)).date().isoformat()
        for number in range((datetime.fromisoformat(last) - start).days + 1)
    ]
    sums = {pipeline: dict.fromkeys(days, 0.0) for pipeline in pipelines}
    for fact in known:
        sums[fact.pipeline][fact.created_at[:10]] += fact.usd or 0
    return {"days": days, "usd": {pipeline: list(by_day.values()) for pipeline, by_day in sums.items()}}


def _failures(facts: Sequence[Fact]) -> dict[str, Any]:
    """Return the reasons of runs that did not succeed, similar ones grouped, the most frequent first."""
    alike: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.state.final and fact.state is not State.SUCCEEDED:
            alike[fact.state, _OWN.sub("…", fact.reason)].append(fact)
    ranked = sorted(alike.items(), key=lambda item: -len(item[1]))
    shown = [
        {
            "state": state,
            "reason": found[0].reason if len(found) == 1 else reason,
            "runs": len(found),
            "example": found[-1].run_id,
        }
        for (state, reason), found in ranked[:_REASONS]
    ]
    return {"shown": shown, "runs_left_out": sum(len(found) for _, found in ranked[_REASONS:])}
