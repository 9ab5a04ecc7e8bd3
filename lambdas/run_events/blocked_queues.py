"""Batch's "Job Queue Blocked" events: a job at the head of a queue that cannot be placed. Pure.

Their form: https://docs.aws.amazon.com/batch/latest/userguide/batch-job-queue-blocked-events.html
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
    """A job queue, the job at its head, and why that cannot be placed."""

    queue: str
    """Its name."""
    job_id: str
    reason: str


def blocked_queues(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, BlockedQueue]]:
    """The blocked queues among messages of the job event queue, each with the message's id."""
    for record in records:
        try:
            if BLOCKED not in record["body"]:  # nearly all are state changes, which are parsed elsewhere
                continue
            event = json.loads(record["body"])
            if event["detail-type"] == BLOCKED:
                job = event["detail"]
                queue = str(job["jobQueue"]).rpartition("/")[2]
                found = BlockedQueue(queue=queue, job_id=str(job["jobId"]), reason=str(job.get("statusReason") or ""))
                yield record["messageId"], found
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.error("unreadable job event %s dropped: %r", record["messageId"], error)
