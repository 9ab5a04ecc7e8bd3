"""Moving what waits for a pool without capacity, in bulk: its jobs are cancelled, and their runs rescued."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from dropbatch.contract.deployment import Deployment
from dropbatch.contract.endings import Ending
from dropbatch.contract.runs import State
from lambdas.run_events.book import Book

__all__ = ["move_off_dry_pools"]

log = logging.getLogger("dropbatch")

_WAITING = (State.HELD, State.SUBMITTED)


def move_off_dry_pools(book: Book, batch: Any, deployment: Deployment, unfinished: Sequence[Mapping[str, Any]]) -> int:
    """Cancel the jobs of runs that wait for a dry pool while another of their pipeline's has capacity.

    Returns how many runs were set moving. What runs already is not touched: Batch cancels only what waits.
    """
    dry = book.dry(deployment.pools)
    if not dry:
        return 0
    stuck: dict[str, list[Mapping[str, Any]]] = {}
    for item in unfinished:
        pipeline = deployment.pipelines.get(item["pipeline"])
        if State(item["state"]) in _WAITING and item["pool"] in dry and pipeline and set(pipeline.pools) - dry:
            stuck.setdefault(item["job_name"], []).append(item)
    moved = 0
    for job_name, items in stuck.items():
        job = book.job(job_name)
        if job and job["state"] == "SUBMITTED" and job["queue"] == deployment.pools[items[0]["pool"]].queue:
            # Whether Batch gives an array's children the reason that their parent was cancelled for, it does not say.
            book.set_moved(job_name)
            batch.cancel_job(jobId=job["job_id"], reason=Ending.MOVED)
            moved += len(items)
            log.warning("job %s: %d runs are moved off pool %s", job["job_id"], len(items), items[0]["pool"])
    return moved
