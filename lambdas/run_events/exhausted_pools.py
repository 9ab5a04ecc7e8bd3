"""Mark pools without capacity as exhausted, and move the runs that wait for them to other pools."""

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
_SKIPPED = timedelta(minutes=30)
"""How long runs skip a pool after it had no capacity."""


def mark_exhausted(table: Ledger, pool: str, reason: str) -> None:
    """Mark a pool as exhausted, so that runs skip it for a while."""
    now = table.clock()
    flag = ExhaustedPool(pool, ledger.timestamp(now), ledger.timestamp(now + _SKIPPED), reason)
    table.put(flag.to_item())
    log.warning("pool %s has no capacity and is skipped until %s: %s", pool, flag.until, reason)


def move_off_exhausted_pools(table: Ledger, batch: Any, deployment: Deployment, runs: Sequence[Run]) -> int:
    """Cancel waiting jobs in exhausted pools if another pool of their pipeline has capacity.

    The events of the canceled jobs open the next attempts of their runs, on another pool. Running jobs are not
    affected: CancelJob cancels only waiting jobs.

    Returns:
        The number of runs whose jobs were canceled.
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
            # The JOB item says why, since AWS does not document whether children of an array get the parent's reason.
            mark_moved(table, job)
            batch.cancel_job(jobId=job.job_id, reason=Ending.MOVED)
            moved += len(waiting)
            log.warning("job %s canceled: its %d runs leave pool %s", job.job_id, len(waiting), waiting[0].pool)
    return moved
