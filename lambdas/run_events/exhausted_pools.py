"""Pools without capacity: noting them, and moving the runs that wait for one to another pool."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.endings import Ending
from dropbatch.contract.items import ExhaustedPool, Run
from dropbatch.contract.runs import State
from lambdas.ledger.jobs import mark_moved
from lambdas.ledger.table import Ledger

__all__ = ["mark_exhausted", "move_off_exhausted_pools"]

log = logging.getLogger("dropbatch")

_WAITING = (State.HELD, State.SUBMITTED)
_PASSED_OVER = timedelta(minutes=30)
"""How long runs pass over a pool after it had no capacity."""


def mark_exhausted(table: Ledger, pool: str, reason: str) -> None:
    """Note that a pool has no capacity, so that runs pass it over for a while."""
    now = table.clock()
    flag = ExhaustedPool(pool, ledger.timestamp(now), ledger.timestamp(now + _PASSED_OVER), reason)
    table.put(flag.to_item())
    log.warning("pool %s has no capacity until %s: %s", pool, flag.until, reason)


def move_off_exhausted_pools(table: Ledger, batch: Any, deployment: Deployment, runs: Sequence[Run]) -> int:
    """Cancel the jobs of runs that wait for an exhausted pool while another pool of their pipeline has capacity.

    The job events of the canceled jobs then rescue the runs. Running jobs are not touched: Batch cancels only those
    that wait.

    Returns:
        How many runs are moved.
    """
    exhausted = table.exhausted_pools(deployment.pools)
    if not exhausted:
        return 0
    stuck: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        pipeline = deployment.pipelines.get(run.pipeline)
        if run.state in _WAITING and run.pool in exhausted and pipeline and set(pipeline.pools) - exhausted:
            stuck[run.job_name].append(run)
    moved = 0
    for job_name, waiting in stuck.items():
        job = table.job(job_name)
        if job and job.submitted and job.queue == deployment.pools[waiting[0].pool].queue:
            # AWS does not document whether children of an array get the reason for which their parent was canceled.
            mark_moved(table, job)
            batch.cancel_job(jobId=job.job_id, reason=Ending.MOVED)
            moved += len(waiting)
            log.warning("job %s: %d runs are moved off pool %s", job.job_id, len(waiting), waiting[0].pool)
    return moved
