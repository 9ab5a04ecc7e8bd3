"""Repair runs that no event will advance, slice by slice."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from dropbatch.contract import ledger
from dropbatch.contract.batches import chunks
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.items import Job, Run
from lambdas.common.control_objects import ControlObjects
from lambdas.common.failures import Failures
from lambdas.common.system_messages import ArrivalQueue, Held, Resubmit
from lambdas.ledger.jobs import mark_submitted
from lambdas.ledger.table import Ledger
from lambdas.run_events.exhausted_pools import move_off_exhausted_pools
from lambdas.run_events.flow import Outcome, RunEventsFlow
from lambdas.run_events.job_events import REMEMBERED, change_of

__all__ = ["Repairs"]

log = logging.getLogger("dropbatch")

_Described = Mapping[str, Any]
"""A job as DescribeJobs returns it."""
_T = TypeVar("_T")

_DESCRIBE = 100  # maximum number of ids in a DescribeJobs call
_LOST = Outcome()
"""Marks a run whose fence another job has."""


class Repairs:
    """Repairs runs within one round of reconcile.

    Attributes:
        counts: number of repairs by kind.
        cut_short: whether the time was too short for some runs.
        failures: runs that could not be repaired. They do not stop the repair of the others.
    """

    def __init__(
        self,
        *,
        table: Ledger,
        objects: ControlObjects,
        flow: RunEventsFlow,
        batch: Any,
        arrivals: ArrivalQueue,
        deployment: Deployment,
        at: datetime,
        is_late: Callable[[], bool],
    ) -> None:
        """`at` is the time of the round; `is_late` says when to leave the remaining runs to the next round."""
        self._at = at
        self._remembered = ledger.timestamp(at - REMEMBERED)
        self._ledger = table
        self._objects = objects
        self._flow = flow
        self._batch = batch
        self._arrivals = arrivals
        self._deployment = deployment
        self._is_late = is_late
        self._queues = {pool.queue for pool in deployment.pools.values()}
        self.counts: Counter[str] = Counter()
        self.failures = Failures()
        self.cut_short = False

    def reconcile(self, runs: Iterable[Run], *, paused: bool) -> None:
        """Repair runs that have been idle for one lease."""
        behind: dict[str, list[Run]] = defaultdict(list)
        unpublished: list[Run] = []
        for run in runs:
            if run.state.final:
                unpublished.append(run)
            else:
                behind[run.job_name].append(run)
        for part in self._parts(unpublished):
            with self.failures.collect(*(run.id for run in part)):
                self._follow_up([self._flow.unfinished_work(run, run.attempt) for run in part])
                self.counts["final states told of"] += len(part)
        without_job: list[Run] = []
        for jobs in self._parts(behind.items()):
            with self.failures.collect(*(job_name for job_name, _ in jobs)):
                without_job += self._reconcile_jobs(jobs, paused=paused)
        if not paused:
            self._ask(without_job)

    def _reconcile_jobs(self, jobs: Sequence[tuple[str, Sequence[Run]]], *, paused: bool) -> list[Run]:
        """Repair the runs of jobs, which are given by name; return the runs that have no JOB item."""
        orphans: list[Run] = []
        unprepared: list[Run] = []
        submitted: list[tuple[Job, list[Run]]] = []
        for job_name, runs in jobs:
            with self.failures.collect(job_name):
                job = self._ledger.job(job_name)
                known = {(spec.run_id, spec.attempt) for spec in self._objects.runs_of(job)} if job else set()
                # A job does not process runs that are missing in its manifest, for example because the answer to their
                # claim was lost.
                mine = [run for run in runs if (run.run_id, run.attempt) in known]
                (orphans if job else unprepared).extend(run for run in runs if (run.run_id, run.attempt) not in known)
                if job and job.submitted:
                    submitted += [(job, mine)] if mine else []
                elif job and job.queue not in self._queues:
                    orphans += mine  # the job's pool was removed, so its runs need another job
                elif job and job.lease_until < ledger.timestamp(self._at):
                    self.counts[self._settle(job)] += 1
        lost = self._describe(submitted)
        if not paused:
            self._ask_again(orphans, lost)
            waiting = [run for _, of_job in submitted for run in of_job]
            moved = move_off_exhausted_pools(self._ledger, self._batch, self._deployment, waiting)
            self.counts["runs moved off dry pools"] += moved
        return unprepared

    def _settle(self, job: Job) -> str:
        """Find out whether a prepared job was submitted; if not, ask to submit it again."""
        by_name = {"jobQueue": job.queue, "filters": [{"name": "JOB_NAME", "values": [job.name]}]}
        pages = self._batch.get_paginator("list_jobs").paginate(**by_name)  # the first page may be empty
        job_id = next((summary["jobId"] for page in pages for summary in page["jobSummaryList"]), None)
        if job_id:
            mark_submitted(self._ledger, job.name, job_id)
            return "submissions found in Batch"
        self._arrivals.ask_to_resubmit(Resubmit(job_name=job.name, lease_until=job.lease_until))
        return "jobs asked for again"

    def _describe(self, submitted: Sequence[tuple[Job, Sequence[Run]]]) -> list[Run]:
        """Apply the states that Batch reports for submitted jobs; return the runs whose fence another job has."""
        described = self._jobs([job.job_id for job, _ in submitted])
        suspects: dict[str, Run] = {}
        for job, runs in submitted:
            answer = described.get(job.job_id)
            if job.size == 1:
                suspects[job.job_id] = runs[0]
            elif answer is None or _unfinished_children(answer) < len(runs):
                # Some runs have ended in Batch but not in the ledger. Only the children show which ones.
                places = {spec.run_id: index for index, spec in enumerate(self._objects.runs_of(job))}
                suspects |= {f"{job.job_id}:{places[run.run_id]}": run for run in runs}
        lost: list[Run] = []
        for part in self._parts(suspects.items()):
            answers = described | self._jobs([job_id for job_id, _ in part if job_id not in described])
            outcomes: list[Outcome | None] = []
            for job_id, run in self._in_time(part):
                with self.failures.collect(run.id):
                    outcome = self._catch_up(run, job_id, answers.get(job_id))
                    if outcome is _LOST:
                        lost.append(run)
                    else:
                        outcomes.append(outcome)
            with self.failures.collect(*(run.id for _, run in part)):
                self.counts["states read from Batch"] += self._follow_up(outcomes)
        return lost

    def _catch_up(self, run: Run, job_id: str, described: _Described | None) -> Outcome | None:
        """Apply the state that Batch reports for a run's job; return `_LOST` when another job has the fence."""
        change = change_of(described) if described is not None else None
        if change is None and run.updated_at > self._remembered:
            log.warning("Batch does not know job %s of run %s yet", job_id, run.id)
            return None
        if change is None:
            owner = self._objects.fence_owner(run)
            return self._flow.end_expired(run, job_id, started=owner is not None) if owner in (None, job_id) else _LOST
        if change.superseded:
            return _LOST
        outcome = self._flow.apply(change)
        # The job was submitted twice under one name, and the job that the ledger does not know has the fence.
        elsewhere = outcome is None and change.state.final and self._objects.fence_owner(run) not in (None, job_id)
        return _LOST if elsewhere else outcome

    def _ask(self, runs: Sequence[Run]) -> None:
        """Ask for jobs for runs that never had one: they arrived during a pause, or wait for their next attempt.

        No job can have taken their fences, so these are not read; after a long pause there would be too many.
        """
        self._arrivals.ask_for_jobs([_held(run) for run in runs])
        self.counts["held runs asked for again"] += len(runs)

    def _ask_again(self, orphans: Sequence[Run], lost: Sequence[Run]) -> None:
        """Repair runs that their recorded job does not process."""
        for part in self._parts((*orphans, *lost)):
            owners = {run.id: self._objects.fence_owner(run) for run in part}
            described = self._jobs([owner for owner in owners.values() if owner is not None])
            waiting: list[Held] = []
            outcomes: list[Outcome | None] = []
            for run in self._in_time(part):
                with self.failures.collect(run.id):
                    owner = owners[run.id]
                    change = change_of(described[owner]) if owner in described else None
                    if owner is None:
                        waiting.append(_held(run))
                    elif change is not None:
                        outcomes.append(self._flow.apply(change))
                    elif run.updated_at < self._remembered:
                        outcomes.append(self._flow.end_expired(run, owner, started=True))
            with self.failures.collect(*owners):
                self.counts["states read from Batch"] += self._follow_up(outcomes)
            self._arrivals.ask_for_jobs(waiting)
            self.counts["held runs asked for again"] += len(waiting)

    def _follow_up(self, outcomes: Sequence[Outcome | None]) -> int:
        work = [outcome for outcome in outcomes if outcome is not None]
        self._flow.follow_up(work)
        return len(work)

    def _jobs(self, ids: Sequence[str]) -> dict[str, _Described]:
        """Jobs by id as Batch describes them; jobs that it no longer knows are absent."""
        return {
            job["jobId"]: job for part in chunks(ids, _DESCRIBE) for job in self._batch.describe_jobs(jobs=part)["jobs"]
        }

    def _in_time(self, items: Iterable[_T]) -> Iterator[_T]:
        """Yield items until time is over."""
        for item in items:
            if self._is_late():
                self.cut_short = True
                return
            yield item

    def _parts(self, items: Iterable[_T]) -> Iterator[list[_T]]:
        """Yield items in parts until time is over."""
        return self._in_time(chunks(items, _DESCRIBE))


def _held(run: Run) -> Held:
    return Held(group=run.group, run_id=run.run_id, job_name=run.job_name)


def _unfinished_children(parent: _Described) -> int:
    summary = parent["arrayProperties"].get("statusSummary", {})
    return sum(count for status, count in summary.items() if status not in ("SUCCEEDED", "FAILED"))
