"""Blocked queues: report a job at the head that cannot be placed, and cancel it after the queue's time limit.

Texts and limits: AWS Batch user guide, "Jobs stuck in a RUNNABLE status" and "jobStateTimeLimitActions".
"""

from dataclasses import dataclass
from typing import Any

from dropbatch.contract import batch_reasons
from dropbatch.sandbox.batch.model import Job, Status
from dropbatch.sandbox.batch.store import Store

__all__ = ["Heads"]


@dataclass
class _Head:
    job: Job
    reason: str
    since: float


class Heads:
    """Blocked jobs at the heads of queues, with the times since when they are blocked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heads: dict[str, _Head] = {}

    def update(self, blocked: dict[str, tuple[Job, str]], now: float) -> list[Job]:
        """Record the blocked jobs and return the newly blocked ones; their status reason is set."""
        for queue, head in list(self._heads.items()):
            if blocked.get(queue) != (head.job, head.reason):
                del self._heads[queue]
                if head.job.status is Status.RUNNABLE and head.job.status_reason == head.reason:
                    head.job.status_reason = None
        fresh = []
        for queue, (job, reason) in blocked.items():
            if queue not in self._heads:
                self._heads[queue] = _Head(job, reason, now)
                job.status_reason = reason
                fresh.append(job)
        return fresh

    def overdue(self, now: float) -> list[tuple[Job, str]]:
        """Return the jobs to cancel now, each with its status reason."""
        found = []
        for head in self._heads.values():
            action = self._action(head)
            if action and now - head.since >= int(action["maxTimeSeconds"]):
                found.append((head.job, f"{batch_reasons.CANCELED_BY_TIME_LIMIT.start}{action['reason']}"))
        return found

    def next_due(self) -> float | None:
        """Return the time at which the next job becomes overdue."""
        actions = [(head, self._action(head)) for head in self._heads.values()]
        return min((head.since + int(action["maxTimeSeconds"]) for head, action in actions if action), default=None)

    def _action(self, head: _Head) -> dict[str, Any] | None:
        """Return the queue's action for this reason; if there are several, the one with the shortest time."""
        queue = self._store.queue(head.job.queue_arn) or {}
        actions = queue.get("jobStateTimeLimitActions") or []
        fitting = [each for each in actions if head.reason.partition(" - ")[0] == each["reason"]]
        return min(fitting, key=lambda each: int(each["maxTimeSeconds"]), default=None)
