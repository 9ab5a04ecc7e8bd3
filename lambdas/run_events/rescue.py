"""Rescue: decide whether a run whose job failed gets another attempt, and on which pool. Pure.

| why the job failed                                           | next attempt                                        |
| ------------------------------------------------------------ | --------------------------------------------------- |
| its machine was reclaimed in each of Batch's tries           | on the pipeline's next pool                         |
| its pool had no capacity                                     | on the next pool that is not exhausted              |
| it was canceled to leave an exhausted pool                   | on the next pool that is not exhausted              |
| its image could not be pulled                                | one, on the same pool                               |
| it expired in Batch without an event and without a record    | one, on the same pool                               |
| it ran out of memory                                         | with the next of the pipeline's `memory_steps`      |
| the spend guard stopped it, or it could not start in a pause | on the same pool, after the pause                   |
| its program failed                                           | none, or up to the pipeline's `retry_failures`      |
"""

from dataclasses import dataclass
from enum import StrEnum

from dropbatch.contract import batch_reasons
from dropbatch.contract.deployment import Deployment, Pipeline
from dropbatch.contract.endings import Ending
from dropbatch.contract.items import Run
from dropbatch.contract.ledger import MAX_ATTEMPTS
from lambdas.run_events.job_events import EXPIRED, JobChange

__all__ = ["Cause", "Rescue", "cause_of", "rescue_of"]


class Cause(StrEnum):
    """Why a job failed; decides about the next attempt."""

    RECLAIMED = "reclaimed"
    NO_CAPACITY = "no capacity"
    MOVED = "moved"
    IMAGE_PULL = "image pull"
    EXPIRED = "forgotten"
    OUT_OF_MEMORY = "out of memory"
    STOPPED = "stopped"
    PROGRAM = "program failed"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Rescue:
    """The next attempt of a run."""

    cause: Cause
    """Why the last attempt failed."""
    pool: str
    memory_mib: int | None = None
    """Memory of the next attempt; None for that of the last one."""


def cause_of(change: JobChange, *, paused: bool = False, moved: bool = False) -> Cause:
    """Return why a job failed.

    Args:
        change: the final state of the job.
        paused: whether the deployment is paused, so that no job can be placed.
        moved: whether the job, or the array job that it belongs to, was canceled to move its runs to another pool.
    """
    reason = change.status_reason
    if reason == Ending.MOVED or (moved and not change.placed):
        return Cause.MOVED
    blocked = batch_reasons.time_limit_reason(reason)
    if reason == Ending.STOPPED or (paused and not change.placed and blocked):
        return Cause.STOPPED
    if reason.startswith(EXPIRED):
        return Cause.EXPIRED
    if blocked is batch_reasons.INSUFFICIENT_CAPACITY:
        return Cause.NO_CAPACITY
    host_terminated = batch_reasons.HOST_TERMINATED.matches
    if host_terminated(reason) or (change.tries and host_terminated(change.tries[-1].reason)):
        return Cause.RECLAIMED
    if batch_reasons.IMAGE_NOT_PULLED.matches(change.reason):
        return Cause.IMAGE_PULL
    if batch_reasons.OUT_OF_MEMORY.matches(change.reason):
        return Cause.OUT_OF_MEMORY
    timed_out = batch_reasons.TIMED_OUT.matches(reason)
    if change.exit_code == batch_reasons.KILLED and not timed_out:
        # Only the program was killed, and the runtime reported it: then the container has no reason.
        return Cause.OUT_OF_MEMORY
    return Cause.OTHER if change.exit_code is None or timed_out else Cause.PROGRAM


def rescue_of(run: Run, change: JobChange, cause: Cause, deployment: Deployment) -> Rescue | None:
    """Return the next attempt of a run, or None when the failure is final."""
    pipeline = deployment.pipelines.get(run.pipeline)
    if pipeline is None:
        return None
    if cause is Cause.STOPPED:
        return Rescue(cause=cause, pool=run.pool)
    if run.attempt >= MAX_ATTEMPTS:
        return None
    match cause:
        case Cause.NO_CAPACITY | Cause.MOVED:
            # The arrival function chooses a pool with capacity when it submits the run.
            return Rescue(cause=cause, pool=run.pool)
        case Cause.RECLAIMED:
            pool = _next_pool(pipeline, run.pool)
            return Rescue(cause=cause, pool=pool) if pool else None
        case Cause.IMAGE_PULL | Cause.EXPIRED:
            return Rescue(cause=cause, pool=run.pool) if _count(run, cause) < 1 else None
        case Cause.OUT_OF_MEMORY:
            memory_mib = _next_memory(pipeline, run, change)
            return Rescue(cause=cause, pool=run.pool, memory_mib=memory_mib) if memory_mib else None
        case Cause.PROGRAM:
            return Rescue(cause=cause, pool=run.pool) if _count(run, cause) < pipeline.retry_failures else None
    return None


def _next_pool(pipeline: Pipeline, pool: str) -> str | None:
    pools = pipeline.pools
    later = pools[pools.index(pool) + 1 :] if pool in pools else ()
    return later[0] if later else None


def _next_memory(pipeline: Pipeline, run: Run, change: JobChange) -> int | None:
    now = run.overrides.memory_mib or change.memory_mib or 0
    return next((step for step in pipeline.memory_steps if step > now), None)


def _count(run: Run, cause: Cause) -> int:
    return sum(earlier["cause"] == cause for earlier in run.earlier)
