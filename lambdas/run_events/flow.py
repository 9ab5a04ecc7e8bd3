"""From job events to the ledger, to further attempts, to next steps and to the public event."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dropbatch.contract.deployment import Deployment
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.runs import State, order
from lambdas.common.announce import Announcer
from lambdas.common.batches import Failures, chunks
from lambdas.common.own_messages import Finished, Held
from lambdas.common.specs import spec_of
from lambdas.run_events.blocked import BLOCKED, blocked_queues
from lambdas.run_events.book import Book
from lambdas.run_events.changes import JobChange, change_of
from lambdas.run_events.door import Door
from lambdas.run_events.endings import Endings, waiting_name
from lambdas.run_events.forgotten import ending_of
from lambdas.run_events.mails import Mails
from lambdas.run_events.records import LOST, record_for
from lambdas.run_events.rescue import Cause, Rescue, cause_of, rescue_of

__all__ = ["Outcome", "RunEventsFlow"]

log = logging.getLogger("dropbatch")

_AT_ONCE = 20
"""Changes that are seen to their end together."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What remains to be done for a run once the ledger has its change."""

    tell: Mapping[str, Any] | None = None
    """RUN item that the world shall hear of."""
    held: Held | None = None
    """A run that waits for a job."""
    finished: Finished | None = None
    """A run after which others come."""


class RunEventsFlow:
    """Applies what Batch says to the runs."""

    def __init__(
        self,
        *,
        book: Book,
        endings: Endings,
        announcer: Announcer,
        door: Door,
        mails: Mails,
        deployment: Deployment,
    ) -> None:
        self._book = book
        self._endings = endings
        self._announcer = announcer
        self._door = door
        self._mails = mails
        self._deployment = deployment

    def process(self, records: Sequence[Mapping[str, Any]], *, spent: Callable[[], float] = lambda: 0) -> Failures:
        """Handle messages of the job event queue; returns those that shall come again.

        What has been begun is finished, a slice at a time, and nothing more is begun once half of its time is `spent`.
        """
        failures = Failures(spent)
        for message_id, blocked in blocked_queues(records):
            with failures.collect(message_id):
                self._mails.queue_blocked(blocked)
        for part in chunks(_furthest(records).values(), _AT_ONCE):
            if failures.put_off(message_id for message_id, _ in part):
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
            log.info("%d job events shall come again", len(failures.ids))
        return failures

    def follow_up(self, outcomes: Sequence[Outcome]) -> None:
        """Send what waits and what comes next to the arrival queue, then tell.

        Telling comes last: it is what takes a run out of reconcile's sight.
        """
        self._door.ask([outcome.held for outcome in outcomes if outcome.held])
        self._door.ask_next([outcome.finished for outcome in outcomes if outcome.finished])
        # Keyed: a state that came doubled within the batch is told of once.
        told = {(item["id"], item["order"]): item for outcome in outcomes if (item := outcome.tell)}
        self._mails.heard([item for item in told.values() if State(item["state"]).final])
        self._announcer.tell(list(told.values()))

    def apply(self, change: JobChange) -> Outcome | None:
        """Move the run of a change; returns what remains to be done, None when there was nothing to do."""
        job = self._book.job(change.job_name)
        if job is None:
            log.info("job %s is not ours", change.job_name)
            return None
        run = self._book.runs_of(job)[change.index]
        if not change.state.final:
            moved = self._book.move(run, change)
            return Outcome(tell=moved) if moved else None
        if change.state is not State.SUCCEEDED and not self._speaks_for_run(change, job, run):
            log.info("job %s failed, but its run belongs to another job", change.job_id)
            return None
        item = self._book.run(run)
        if item is None:
            return None
        if item["order"] < order(run.attempt, change.state):
            outcome = self._end(item, run, change, job)
            if outcome is not None:
                return outcome
            item = self._book.run(run)  # somebody else was faster
        return self.left_over(item, run.attempt) if item else None

    def forgotten(self, item: Mapping[str, Any], job_id: str, *, started: bool) -> Outcome | None:
        """End the attempt of a run (RUN item) whose job Batch no longer knows.

        `started`: whether the job took the fence; if not, nobody did.
        """
        run = spec_of(item)
        if not started and self._book.close_fence(run, job_id) != job_id:
            return None
        log.error("Batch no longer knows job %s of run %s, which has not ended", job_id, item["id"])
        change = ending_of(item, job_id, record=self._book.record(run), started=started)
        return self._end(item, run, change, self._book.job(item["job_name"]) or {})

    def left_over(self, item: Mapping[str, Any], attempt: int) -> Outcome | None:
        """What may have been cut short after the ledger had the end of an attempt."""
        if item["attempt"] == attempt and State(item["state"]).final and "unfinished" in item:
            return self._ended(item)
        if item["state"] == State.HELD and item["job_name"] == waiting_name(item["run_id"], attempt + 1):
            return Outcome(held=_held(item))
        return None

    def _end(self, item: Mapping[str, Any], run: RunSpec, change: JobChange, job: Mapping[str, Any]) -> Outcome | None:
        if change.state is State.SUCCEEDED:
            ended = self._endings.end(item, run, change, {})
            return self._ended(ended) if ended else None
        rescue = self._rescue(item, change, job) if change.state is State.FAILED else None
        if rescue is not None and "cancel" in item:
            # It would have been tried again, had nobody asked for it to be cancelled: so that is what ended it.
            said = change.status_reason or change.reason
            change = replace(change, state=State.CANCELLED, reason=f"cancelled on request, its job had ended: {said}")
        elif rescue is not None:
            anew = self._endings.begin_anew(item, run, change, rescue, change.status_reason or change.reason)
            return Outcome(tell=anew, held=_held(anew)) if anew else None
        record = self._book.record(run)
        mine = record if record and record.get("attempt") == run.attempt else None
        phase = (mine or {}).get("phase") or LOST
        said = (mine or {}).get("reason") or change.reason or "the job failed and left no record"
        reason = f"{phase}: {said}" if mine else said
        if mine is None and (record is None or record.get("attempt", 0) < run.attempt):
            self._book.write_record(run, record_for(run, change, job, item))
        details = {
            "reason": reason,
            "phase": phase,
            "exit_code": change.exit_code,
            "log_tail": self._book.log_tail(run) if mine else [],
            "not_started": list(self._deployment.descendants(run.pipeline)),
        }
        ended = self._endings.end(item, run, change, details)
        if ended:
            log.info("%s/%s %s is %s: %s", run.group, run.pipeline, run.run_id, change.state, reason)
        return self._ended(ended) if ended else None

    def _rescue(self, item: Mapping[str, Any], change: JobChange, job: Mapping[str, Any]) -> Rescue | None:
        cause = cause_of(change, paused=self._book.paused() is not None, moved=job.get("moved", False))
        rescue = rescue_of(item, change, cause, self._deployment)
        if cause is Cause.NO_CAPACITY:
            self._book.mark_dry(item["pool"], change.status_reason)
        if rescue is not None:
            log.info("rescue of %s after attempt %d: %s", item["id"], item["attempt"], cause)
        return rescue

    def _ended(self, item: Mapping[str, Any]) -> Outcome:
        more = item["state"] == State.SUCCEEDED and self._deployment.children(item["pipeline"])
        return Outcome(tell=item, finished=Finished(group=item["group"], run_id=item["run_id"]) if more else None)

    def _speaks_for_run(self, change: JobChange, job: Mapping[str, Any], run: RunSpec) -> bool:
        """Whether a failed job's failure counts: it owns the fence or, if none started, is the job on record.

        The latter then takes the fence: should the job have a twin, that must not start after all.
        """
        owner = self._book.fence_owner(run.group, run.pipeline, run.run_id, run.attempt)
        if owner is None and job.get("job_id") in (None, change.job_id.partition(":")[0]):
            owner = self._book.close_fence(run, change.job_id)
        return owner == change.job_id


def _held(item: Mapping[str, Any]) -> Held:
    return Held(group=item["group"], run_id=item["run_id"], job_name=item["job_name"])


def _furthest(records: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, JobChange]]:
    """The furthest that messages tell of each job, with the message's id. What came before it changes nothing more."""
    found: dict[str, tuple[str, JobChange]] = {}
    for record in records:
        try:
            event = json.loads(record["body"])
            change = None if event.get("detail-type") == BLOCKED else change_of(event["detail"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            # EventBridge writes these messages; one that cannot be read tells nothing about any run.
            log.error("unreadable job event %s dropped: %r", record["messageId"], error)
            continue
        if change is None:
            continue
        known = found.get(change.job_id)
        if known is None or order(1, known[1].state) <= order(1, change.state):
            found[change.job_id] = (record["messageId"], change)
    return found
