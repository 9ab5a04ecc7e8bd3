"""Run one schedule of the crash harness, and check its result."""

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from typing import Any

from dropbatch.contract.keys import record_key
from dropbatch.contract.ledger import from_item
from dropbatch.contract.runs import State
from dropbatch.contract.usage import month_usage
from tests.lambdas.conftest import DEPLOYMENT, OUTPUT
from tests.lambdas.crash.world import RUN_NEEDS, SAFEGUARDS, World

ROUNDS = 20
"""Rounds of reconcile after the storm within which all runs must have ended.

Runs skip a pool that was exhausted at the end of the storm for ten of them.
"""


def faults_of(seed: int, safeguards: frozenset[str] = SAFEGUARDS) -> list[str]:
    """Return the broken promises after the schedule of a seed; none if the design is correct."""
    with _quiet() as stumbles:
        world = World(seed, files=1 + seed % 6, safeguards=safeguards)
        world.users.drop_files()
        _storm(world)
        rounds = _calm(world)
        return stumbles + _judge(world, rounds)


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """Switch off the functions' log, which takes a tenth of the time; return the exceptions that they log."""
    stumbles: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: stumbles.extend([handler.format(record)] if record.exc_info else [])  # type: ignore[method-assign]
    log = logging.getLogger("dropbatch")
    before = log.level, log.propagate
    log.setLevel(logging.ERROR)
    log.propagate = False
    log.addHandler(handler)
    try:
        with redirect_stdout(io.StringIO()):
            yield stumbles
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def _storm(world: World) -> None:
    for _ in range(world.random.randint(50, 500)):
        roll = world.random.random()
        busy = len(world.invocations) >= 3
        if roll < 0.1 and world.messages and not busy:
            world.deliver()
        elif roll < 0.15 and world.events and not busy:
            world.deliver_events()
        elif roll < 0.16 and not busy:
            world.now += timedelta(seconds=world.random.choice([1, 20, 200]))
            world.reconcile()
        elif roll < 0.19:
            world.users.ask()
        elif roll < 0.23:
            world.work_on_job()
        else:
            world.step()


def _calm(world: World) -> int:
    world.calm = True
    for number in range(ROUNDS):
        world.users.ask()
        while world.messages or world.events or world.invocations:
            if world.messages:
                world.deliver()
            if world.events:
                world.deliver_events()
            while world.step():
                pass
            if world.invocations:  # all of them are delayed
                world.now += DEPLOYMENT.lease
        while world.work_on_job():
            pass
        if not world.events and not any("unfinished" in item for item in world.aws.dynamodb.run_items()):
            return number
        world.now += DEPLOYMENT.lease + timedelta(seconds=1)
        world.reconcile()
    return ROUNDS


def _judge(world: World, rounds: int) -> list[str]:
    runs = world.aws.dynamodb.runs()
    faults = world.users.faults({run["run_id"]: run for run in runs})
    faults += [f"not understood: {body}" for body in world.buried]
    faults += [f"executed twice: {run} by {jobs}" for run, jobs in world.executions.items() if len(jobs) > 1]
    faults += [f"completed {count} times: {run}" for run, count in world.completions.items() if count > 1]
    months = {item_id: from_item(item) for item_id, item in world.aws.dynamodb.items.items() if "#month#" in item_id}
    counted = sum(usage.attempts for item in months.values() for usage in month_usage([item]).values())
    # An attempt that was canceled before it started has no usage.
    attempts, unused = sum(run["attempt"] for run in runs), world.cancelled_before_start()
    if not attempts - unused <= counted <= attempts:
        faults.append(f"usage of {counted} attempts counted, there were {attempts}, {unused} perhaps never started")
    faults += _limit_faults(world, runs)
    faults += [f"no record: {run}" for run in runs if run["state"] == State.CANCELLED and not _has_record(world, run)]
    if rounds == ROUNDS:
        faults.append("reconcile did not converge")
    told = {(said["run_id"], said["state"]) for entry in world.aws.events.entries for said in [_said(entry)]}
    faults += [f"never told: {run['run_id']}" for run in runs if (run["run_id"], run["state"]) not in told]
    jobs_on_record = [
        from_item(item) for item_id, item in world.aws.dynamodb.items.items() if item_id.startswith("job#")
    ]
    faults += [f"still called refused: {job['id']}" for job in jobs_on_record if "job_id" in job and "refused" in job]
    # The fence stops a needless job, but it costs money. It is excused only if the function could not know better.
    specs = [world.run_of(child) for child in world.batch.children.values()]
    jobs = Counter((spec.run_id, spec.attempt) for spec in specs)
    needless = sum(count - 1 for count in jobs.values())
    if needless and not world.excuses:
        faults.append(f"{needless} needless jobs")
    return faults


def _has_record(world: World, run: Mapping[str, Any]) -> bool:
    """Whether a function wrote the record of a run's last attempt. Containers write none in these schedules."""
    body = world.aws.s3.objects.get((OUTPUT, record_key(run["output_prefix"])), b"{}")
    return bool(json.loads(body).get("attempt") == run["attempt"])


def _limit_faults(world: World, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Check that the limit remains except for the used amount, and that no run has a reservation."""
    if world.limit is None:
        return [f"holds something of no limit: {run['run_id']}" for run in runs if "reserved" in run]
    faults = [f"still holds: {run['run_id']}" for run in runs if run.get("reserved", {}).get("amount")]
    used = sum(run.get("usage", {}).get("vcpu_ms", 0) for run in runs)
    items = world.aws.dynamodb.items
    found = [
        from_item(items[key])["remaining"] for key in items if key.startswith("lab#month#") and key.count("#") == 2
    ]
    if found != ([world.limit.amount - used] if found else []):
        faults.append(f"{found} remain of {world.limit.amount}, used were {used}")
    if found and world.limit.amount > 100 * RUN_NEEDS and any("over_limit" in run for run in runs):
        faults.append("refused though there was room")
    return faults


def _said(entry: dict[str, str]) -> dict[str, Any]:
    detail: dict[str, Any] = json.loads(entry["Detail"])
    return detail
