"""Process job events: update the ledger, open further attempts, start next steps, and publish state changes."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dropbatch.contract.batches import chunks
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.items import Job, Run
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.runs import State, order
from lambdas.common.control_objects import ControlObjects
from lambdas.common.failures import Failures
from lambdas.common.publisher import Publisher
from lambdas.common.system_messages import ArrivalQueue, Finished, Held
from lambdas.ledger.table import Ledger
from lambdas.ledger.transitions import ADVANCE
from lambdas.run_events.attempts import Endings, waiting_name
from lambdas.run_events.exhausted_pools import mark_exhausted
from lambdas.run_events.job_events import BLOCKED, JobChange, blocked_queues, change_of, ending_of
from lambdas.run_events.mails import Mails
from lambdas.run_events.rescue import Cause, Rescue, cause_of, rescue_of

__all__ = ["Outcome", "RunEventsFlow"]

log = logging.getLogger("dropbatch")

_LOST = "lost"
"""Phase of a run whose container did not write a record."""
_AT_ONCE = 20
"""Number of changes that are followed up together."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The work that remains for a run after its change was written to the ledger."""

    publish: Run | None = None
    """The run, if its new state must be published."""
    held: Held | None = None
    """The run, if it needs a job."""
    finished: Finished | None = None
    """The run, if next runs follow it."""


class RunEventsFlow:
    """Applies job events to runs."""

    def __init__(
        self,
        *,
        table: Ledger,
        objects: ControlObjects,
        endings: Endings,
        publisher: Publisher,
        arrivals: ArrivalQueue,
        mails: Mails,
        deployment: Deployment,
    ) -> None:
        self._ledger = table
        self._objects = objects
        self._endings = endings
        self._publisher = publisher
        self._arrivals = arrivals
        self._mails = mails
        self._deployment = deployment

    def process(self, records: Sequence[Mapping[str, Any]], *, spent: Callable[[], float] = lambda: 0) -> Failures:
        """Process messages of the job event queue; return those to be delivered again.

        Once half of the invocation's time is `spent`, no further changes are begun.
        """
        failures = Failures(spent)
        for message_id, blocked in blocked_queues(records):
            with failures.collect(message_id):
                self._mails.queue_blocked(blocked)
        for part in chunks(_furthest(records).values(), _AT_ONCE):
            if failures.postpone(message_id for message_id, _ in part):
                continue
            outcomes: list[tuple[str, Outcome]] = []
            for message_id, change in part:
                with failures.collect(message_id):
                    outcome = self.apply(change)
                    if outcome is not None:
                        outcomes.append((message_id, outcome))
            with failures.collect(*(message_id for message_id, _ in outcomes)):
                self.follow_up([outcome for _, outcome in outcomes])
        if failures.ids:
            log.info("%d job events are to be delivered again", len(failures.ids))
        return failures

    def follow_up(self, outcomes: Sequence[Outcome]) -> None:
        """Ask for jobs and next steps, then mail and publish.

        Publishing comes last, because it removes a run from the index that reconcile reads.
        """
        self._arrivals.ask_for_jobs([outcome.held for outcome in outcomes if outcome.held])
        self._arrivals.ask_for_next_steps([outcome.finished for outcome in outcomes if outcome.finished])
        # A state that was reported twice within the batch is published once.
        runs = {(run.id, run.order): run for outcome in outcomes if (run := outcome.publish)}
        self._mails.record_finished([run for run in runs.values() if run.state.final])
        self._publisher.publish(list(runs.values()))

    def apply(self, change: JobChange) -> Outcome | None:
        """Apply a change to its run; return the remaining work, or None when there is none."""
        job = self._ledger.job(change.job_name)
        if job is None:
            log.info("job %s was not submitted by this deployment", change.job_name)
            return None
        spec = self._objects.runs_of(job)[change.index]
        if not change.state.final:
            moved = self._advance(spec, change)
            return Outcome(publish=moved) if moved else None
        if change.state is not State.SUCCEEDED and not self._counts(change, job, spec):
            log.info("job %s failed, but its run belongs to another job", change.job_id)
            return None
        run = self._ledger.find(spec.group, spec.run_id)
        if run is None:
            return None
        if run.order < order(spec.attempt, change.state):
            outcome = self._end(run, spec, change, job)
            if outcome is not None:
                return outcome
            run = self._ledger.find(spec.group, spec.run_id)  # another writer has changed it
        return self.unfinished_work(run, spec.attempt) if run else None

    def end_expired(self, run: Run, job_id: str, *, started: bool) -> Outcome | None:
        """End the attempt of a run whose job Batch no longer knows.

        `started` says whether the job took the fence. If not, the fence must be free.
        """
        if not started and self._objects.take_fence(run, job_id) != job_id:
            return None
        log.error("Batch no longer knows job %s of run %s, which has not ended", job_id, run.id)
        change = ending_of(run, job_id, record=self._objects.record(run.output_prefix), started=started)
        return self._end(run, run.spec(), change, self._ledger.job(run.job_name))

    def unfinished_work(self, run: Run, attempt: int) -> Outcome | None:
        """Return the work that an earlier invocation may have left undone after it wrote the end of an attempt."""
        if run.attempt == attempt and run.state.final and run.pending:
            return self._ended(run)
        if run.state is State.HELD and run.job_name == waiting_name(run.run_id, attempt + 1):
            return Outcome(held=_held(run))
        return None

    def _advance(self, spec: RunSpec, change: JobChange) -> Run | None:
        """Write a state that is not final; return None for a late or repeated change."""
        known = {"started_at": change.started_at, "log_stream": change.log_stream, "job_id": change.job_id}
        changed = {name: value for name, value in known.items() if value}
        item = self._ledger.update(
            **ADVANCE.update_unread(
                self._ledger.table, spec, change.state, {**changed, "updated_at": self._ledger.now()}
            )
        )
        return Run.from_item(item) if item else None

    def _end(self, run: Run, spec: RunSpec, change: JobChange, job: Job | None) -> Outcome | None:
        if change.state is State.SUCCEEDED:
            ended = self._endings.end(run, change)
            return self._ended(ended) if ended else None
        rescue = self._rescue(run, change, job) if change.state is State.FAILED else None
        cause = change.status_reason or change.reason
        if rescue is not None and run.cancel:
            # The run would get another attempt, but a request has canceled it.
            change = replace(change, state=State.CANCELLED, reason=f"cancelled on request, its job had ended: {cause}")
        elif rescue is not None:
            rescued = self._endings.rescue(run, change, rescue, cause)
            return Outcome(publish=rescued, held=_held(rescued)) if rescued else None
        record = self._objects.record(run.output_prefix)
        own = record if record and record.get("attempt") == run.attempt else None
        phase = (own or {}).get("phase") or _LOST
        cause = (own or {}).get("reason") or change.reason or "the job failed and left no record"
        reason = f"{phase}: {cause}" if own else cause
        if own is None and (record is None or record.get("attempt", 0) < run.attempt):
            self._write_record(run, change, job)
        ended = self._endings.end(
            run,
            change,
            reason=reason,
            phase=phase,
            exit_code=change.exit_code,
            log_tail=self._objects.log_tail(spec) if own else (),
            not_started=tuple(self._deployment.descendants(run.pipeline)),
        )
        if ended:
            log.info("%s/%s %s is %s: %s", run.group, run.pipeline, run.run_id, change.state, reason)
        return self._ended(ended) if ended else None

    def _write_record(self, run: Run, change: JobChange, job: Job | None) -> None:
        self._objects.write_record(
            run,
            status=change.state,
            reason=change.reason or "the job ended and left no record",
            phase=_LOST,
            exit_code=change.exit_code,
            started_at=change.started_at,
            stopped_at=change.stopped_at,
            job_id=change.job_id,
            job_try=len(change.tries) or None,
            image=change.image or None,
            job_definition=job.definition if job else None,
        )

    def _rescue(self, run: Run, change: JobChange, job: Job | None) -> Rescue | None:
        cause = cause_of(change, paused=self._ledger.pause() is not None, moved=job is not None and job.moved)
        rescue = rescue_of(run, change, cause, self._deployment)
        if cause is Cause.NO_CAPACITY:
            mark_exhausted(self._ledger, run.pool, change.status_reason)
        if rescue is not None:
            log.info("rescue of %s after attempt %d: %s", run.id, run.attempt, cause)
        return rescue

    def _ended(self, run: Run) -> Outcome:
        more = run.state is State.SUCCEEDED and self._deployment.children(run.pipeline)
        return Outcome(publish=run, finished=Finished(group=run.group, run_id=run.run_id) if more else None)

    def _counts(self, change: JobChange, job: Job, spec: RunSpec) -> bool:
        """Whether the failure of a job is a failure of its run.

        It is when the job owns the fence. If nobody owns it and the job is the recorded one, the job gets the fence
        now, so that a second job of the same name cannot start later.
        """
        owner = self._objects.fence_owner(spec)
        if owner is None and job.job_id in ("", change.job_id.partition(":")[0]):
            owner = self._objects.take_fence(spec, change.job_id)
        return owner == change.job_id


def _held(run: Run) -> Held:
    return Held(group=run.group, run_id=run.run_id, job_name=run.job_name)


def _furthest(records: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, JobChange]]:
    """The most advanced change of each job, with its message id. Earlier changes have no effect after it."""
    changes: dict[str, tuple[str, JobChange]] = {}
    for record in records:
        try:
            event = json.loads(record["body"])
            change = None if event.get("detail-type") == BLOCKED else change_of(event["detail"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            # EventBridge writes these messages. An unreadable one cannot be assigned to any run.
            log.error("unreadable job event %s dropped: %r", record["messageId"], error)
            continue
        if change is None:
            continue
        known = changes.get(change.job_id)
        if known is None or order(1, known[1].state) <= order(1, change.state):
            changes[change.job_id] = (record["messageId"], change)
    return changes
