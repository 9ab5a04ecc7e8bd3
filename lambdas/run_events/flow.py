"""From job events to the ledger and to the public event."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.runs import State
from lambdas.common.announce import Announcer
from lambdas.common.batches import Failures
from lambdas.run_events.book import Book
from lambdas.run_events.changes import JobChange, change_of

__all__ = ["RunEventsFlow"]

log = logging.getLogger("dropbatch")


class RunEventsFlow:
    """Applies what Batch says to the runs."""

    def __init__(self, *, book: Book, announcer: Announcer) -> None:
        self._book = book
        self._announcer = announcer

    def process(self, records: Sequence[Mapping[str, Any]]) -> Failures:
        """Handle messages of the job event queue; returns those that shall come again."""
        failures = Failures()
        for record in records:
            with failures.collect(record["messageId"]):
                try:
                    change = change_of(json.loads(record["body"])["detail"])
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    # EventBridge writes these messages; one that cannot be read tells nothing about any run.
                    log.error("unreadable job event %s dropped: %r", record["messageId"], error)
                    continue
                if change is not None:
                    self.apply(change)
        return failures

    def apply(self, change: JobChange) -> bool:
        """Move the run of a change, and tell of it; returns whether there was anything to do."""
        job = self._book.job(change.job_name)
        if job is None:
            log.info("job %s is not ours", change.job_name)
            return False
        run = self._book.runs_of(job)[change.index]
        reason = ""
        if change.state is State.FAILED:
            if not self._speaks_for_run(change, job, run):
                log.info("job %s failed, but its run belongs to another job", change.job_id)
                return False
            reason = self._book.recorded_reason(run) or change.reason or "the job failed and left no record"
        item = self._book.move(run, change, reason=reason)
        if item is None:
            return False
        log.info("%s/%s %s is %s %s", run.group, run.pipeline, run.run_id, change.state, reason)
        self._announcer.tell([item])
        return True

    def _speaks_for_run(self, change: JobChange, job: Mapping[str, Any], run: RunSpec) -> bool:
        """Whether a failed job's failure counts: it owns the fence or, if none started, is the job on record."""
        owner = self._book.fence_owner(run.group, run.pipeline, run.run_id, run.attempt)
        if owner is not None:
            return owner == change.job_id
        return job.get("job_id") in (None, change.job_id.partition(":")[0])
