"""Reproducible random facts about runs, for reports."""

import random
from datetime import UTC, datetime, timedelta

from dropbatch.cli.report import Fact
from dropbatch.contract import ledger
from dropbatch.contract.runs import State

ABOUT = {"environment": "dev", "group": "lab", "since": "since 2h", "made_at": "2026-03-04T09:00:00.000Z"}
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_PIPELINES = {"align": (1200, 16_000, 0.55), "segment": (180, 8_000, 0.93), "wordcount": (8, 512, 0.08)}
_REASONS = ("the program ended with exit code {}", "the machine was taken away, {} times", "ran out of memory (137)")


def facts(count: int) -> list[Fact]:
    """Return runs of three pipelines in two pools: up to 100 within an afternoon, more within two days."""
    chance = random.Random(count)  # noqa: S311 – nothing secret
    found = []
    for number in range(count):
        pipeline = chance.choice(list(_PIPELINES))
        typical, asked, share = _PIPELINES[pipeline]
        state = chance.choices([State.SUCCEEDED, State.FAILED, State.REJECTED, State.RUNNING], [90, 6, 1, 3])[0]
        if number == 1:
            state = State.FAILED
        created = NOON + timedelta(minutes=number * (7 if count < 100 else 1.3) * chance.random())
        started, ended = state is not State.REJECTED, state in {State.SUCCEEDED, State.FAILED}
        seconds = typical * chance.lognormvariate(0, 0.5)
        found.append(
            Fact(
                run_id=f"r-{chance.randrange(16**20):020x}",
                name=f"scans/day{number % 9}/slide <b>{number:04}</b>.tiff" if number % 5 else f"{number}.txt",
                pipeline=pipeline,
                pool=chance.choice(["spot", "spot", "ondemand"]) if started else "",
                state=state,
                reason=chance.choice(_REASONS).format(chance.randrange(1, 99)) if state is State.FAILED else "",
                created_at=ledger.timestamp(created),
                wait_seconds=chance.expovariate(1 / 90) if started else None,
                start_seconds=chance.uniform(5, 40) if ended else None,
                run_seconds=seconds if ended else None,
                memory_asked_mib=asked if ended else None,
                memory_used_mib=asked * share * chance.uniform(0.6, 1.0) if ended else None,
                usd=seconds * 0.00002 if ended else None,
            )
        )
    return found
