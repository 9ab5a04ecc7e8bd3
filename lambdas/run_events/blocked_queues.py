"""Parse Batch's "Job Queue Blocked" events: the first job of a queue cannot be placed. Pure.

Format: https://docs.aws.amazon.com/batch/latest/userguide/batch-job-queue-blocked-events.html
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["BLOCKED", "BlockedQueue", "blocked_queues"]

log = logging.getLogger("dropbatch")

BLOCKED = "Batch Job Queue Blocked"


@dataclass(frozen=True, kw_only=True)
class BlockedQueue:
    """A job queue whose first job cannot be placed."""

    queue: str
    """Name of the queue."""
    job_id: str
    """Id of its first job."""
    reason: str


def blocked_queues(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, BlockedQueue]]:
    """Yield the blocked queues that messages of the job event queue report, each with the message id."""
    for record in records:
        try:
            if BLOCKED not in record["body"]:  # most messages are state changes, which are parsed elsewhere
                continue
            event = json.loads(record["body"])
            if event["detail-type"] == BLOCKED:
                job = event["detail"]
                queue = str(job["jobQueue"]).rpartition("/")[2]
                reason = str(job.get("statusReason") or "")
                yield record["messageId"], BlockedQueue(queue=queue, job_id=str(job["jobId"]), reason=reason)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.error("unreadable job event %s dropped: %r", record["messageId"], error)
