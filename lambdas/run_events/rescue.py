"""Whether a run whose job failed is tried again, and how. Pure.

| what happened                                   | what follows                                             |
| ----------------------------------------------- | -------------------------------------------------------- |
| the machine was taken away, after all of Batch's tries | the pipeline's next pool                          |
| no machine was to be had                        | the pool counts as dry; the next one that is not         |
| moved off a dry pool                            | the next one that is not                                 |
| the image could not be pulled                   | once more                                                |
| nothing was heard of the job until Batch forgot it, and it left no record | once more                      |
| memory did not suffice                          | the next of the pipeline's `memory_steps`                |
| stopped by the spend guard, or while paused     | once more, when the pause ends                           |
| the program failed by itself                    | nothing, unless the pipeline says `retry_failures`       |
"""

from dataclasses import dataclass
from enum import StrEnum

from dropbatch.contract import batch_reasons
from dropbatch.contract.deployment import Deployment, Pipeline
from dropbatch.contract.endings import Ending
from dropbatch.contract.items import Run
from dropbatch.contract.ledger import MAX_ATTEMPTS
from lambdas.run_events.changes import JobChange
from lambdas.run_events.expired_jobs import EXPIRED

__all__ = ["Cause", "Rescue", "cause_of", "rescue_of"]


class Cause(StrEnum):
    """Why a job failed, as far as it decides what follows."""

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
    """A further attempt."""

    cause: Cause
    pool: str
    memory_mib: int | None = None
    """Memory of the new attempt, where it is not that of the last."""


def cause_of(change: JobChange, *, paused: bool = False, moved: bool = False) -> Cause:
    """What a failed job died of.

    `paused`: whether the deployment is, so that nothing could be placed; `moved`: whether we cancelled the job, or the
    array that it belongs to, so that its runs go elsewhere.
    """
    said = change.status_reason
    if said == Ending.MOVED or (moved and not change.placed):
        return Cause.MOVED
    blocked = batch_reasons.time_limit_reason(said)
    if said == Ending.STOPPED or (paused and not change.placed and blocked):
        return Cause.STOPPED
    if said.startswith(EXPIRED):
        return Cause.EXPIRED
    if blocked is batch_reasons.INSUFFICIENT_CAPACITY:
        return Cause.NO_CAPACITY
    host_terminated = batch_reasons.HOST_TERMINATED.matches
    if host_terminated(said) or (change.tries and host_terminated(change.tries[-1].reason)):
        return Cause.RECLAIMED
    if batch_reasons.IMAGE_NOT_PULLED.matches(change.reason):
        return Cause.IMAGE_PULL
    if batch_reasons.OUT_OF_MEMORY.matches(change.reason):
        return Cause.OUT_OF_MEMORY
    timed_out = batch_reasons.TIMED_OUT.matches(said)
    if change.exit_code == batch_reasons.KILLED and not timed_out:
        # The program alone was killed and the runtime lived to say so: the container has no reason of its own.
        return Cause.OUT_OF_MEMORY
    return Cause.OTHER if change.exit_code is None or timed_out else Cause.PROGRAM


def rescue_of(run: Run, change: JobChange, cause: Cause, deployment: Deployment) -> Rescue | None:
    """Return the next attempt of a run, or None when the failure stands."""
    pipeline = deployment.pipelines.get(run.pipeline)
    if pipeline is None:
        return None
    if cause is Cause.STOPPED:
        return Rescue(cause=cause, pool=run.pool)
    if run.attempt >= MAX_ATTEMPTS:
        return None
    match cause:
        case Cause.NO_CAPACITY | Cause.MOVED:
            # Which pool has capacity is seen when the run is submitted.
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
