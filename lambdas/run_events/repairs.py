"""What is done about runs that fell behind, some of them at a time."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.runs import State
from lambdas.common.batches import Failures, chunks
from lambdas.common.own_messages import Held, Resubmit
from lambdas.run_events.book import Book
from lambdas.run_events.changes import change_of
from lambdas.run_events.door import Door
from lambdas.run_events.dry import move_off_dry_pools
from lambdas.run_events.flow import Outcome, RunEventsFlow
from lambdas.run_events.forgotten import REMEMBERED

__all__ = ["Repairs"]

log = logging.getLogger("dropbatch")

_Item = Mapping[str, Any]
_T = TypeVar("_T")

_DESCRIBE = 100  # ids that one DescribeJobs takes
_LOST = Outcome()


class Repairs:
    """Repairs runs of one deployment in one round.

    `counts` says what was done, by kind; `cut_short` whether some of the runs had to be left for want of time, and
    `failures` which could not be seen to: no fault with one keeps the others from being repaired.
    """

    def __init__(
        self,
        *,
        book: Book,
        flow: RunEventsFlow,
        batch: Any,
        door: Door,
        deployment: Deployment,
        at: datetime,
        is_late: Callable[[], bool],
    ) -> None:
        """`is_late` says when to leave the rest to the next round; everything here may be cut short anywhere."""
        self._at = at
        self._remembered = ledger.timestamp(at - REMEMBERED)
        self._book = book
        self._flow = flow
        self._batch = batch
        self._door = door
        self._deployment = deployment
        self._is_late = is_late
        self._queues = {pool.queue for pool in deployment.pools.values()}
        self.counts: Counter[str] = Counter()
        self.failures = Failures()
        self.cut_short = False

    def see_to(self, items: Iterable[_Item], *, paused: bool) -> None:
        """See to runs (RUN items) that nothing touched for a lease's time."""
        behind: dict[str, list[_Item]] = defaultdict(list)
        untold: list[_Item] = []
        for item in items:
            if State(item["state"]).final:
                untold.append(item)
            else:
                behind[item["job_name"]].append(item)
        for part in self._parts(untold):
            with self.failures.collect(*(item["id"] for item in part)):
                self._follow_up([self._flow.left_over(item, item["attempt"]) for item in part])
                self.counts["final states told of"] += len(part)
        never_asked: list[_Item] = []
        for jobs in self._parts(behind.items()):
            with self.failures.collect(*(job_name for job_name, _ in jobs)):
                never_asked += self._see_to_jobs(jobs, paused=paused)
        if not paused:
            self._ask(never_asked)

    def _see_to_jobs(self, jobs: Sequence[tuple[str, Sequence[_Item]]], *, paused: bool) -> list[_Item]:
        """See to the runs of some jobs, given by name; returns those whose job was never made."""
        orphans: list[_Item] = []
        unprepared: list[_Item] = []
        submitted: list[tuple[_Item, list[_Item]]] = []
        for job_name, items in jobs:
            with self.failures.collect(job_name):
                job = self._book.job(job_name)
                known = {(run.run_id, run.attempt) for run in self._book.runs_of(job)} if job else set()
                # A run that its job does not know (the answer to its claim was lost, say) waits for nobody.
                mine = [item for item in items if (item["run_id"], item["attempt"]) in known]
                (orphans if job else unprepared).extend(
                    item for item in items if (item["run_id"], item["attempt"]) not in known
                )
                if job and job["state"] == "SUBMITTED":
                    submitted += [(job, mine)] if mine else []
                elif job and job["queue"] not in self._queues:
                    orphans += mine  # its pool was removed: they go to another
                elif job and job["lease_until"] < ledger.timestamp(self._at):
                    self.counts[self._settle(job_name, job)] += 1
        lost = self._describe(submitted)
        if not paused:
            self._ask_again(orphans, lost)
            waiting = [item for _, of_job in submitted for item in of_job]
            moved = move_off_dry_pools(self._book, self._batch, self._deployment, waiting)
            self.counts["runs moved off dry pools"] += moved
        return unprepared

    def _settle(self, job_name: str, job: _Item) -> str:
        """Find out whether a prepared job was submitted; ask for it when it was not."""
        named = {"jobQueue": job["queue"], "filters": [{"name": "JOB_NAME", "values": [job_name]}]}
        pages = self._batch.get_paginator("list_jobs").paginate(**named)  # of which the first may well be empty
        found = next((job["jobId"] for page in pages for job in page["jobSummaryList"]), None)
        if found:
            self._book.submitted(job_name, found)
            return "submissions found in Batch"
        self._door.ask_again(Resubmit(job_name=job_name, lease_until=job["lease_until"]))
        return "jobs asked for again"

    def _describe(self, submitted: Sequence[tuple[_Item, Sequence[_Item]]]) -> list[_Item]:
        """Apply what Batch says of submitted jobs; returns the runs whose job lost the fence to another."""
        said = self._jobs([job["job_id"] for job, _ in submitted])
        suspects: dict[str, _Item] = {}
        for job, items in submitted:
            answer = said.get(job["job_id"])
            if job["size"] == 1:
                suspects[job["job_id"]] = items[0]
            elif answer is None or _unfinished_children(answer) < len(items):
                # Some of these runs ended without an event. Which ones, only the children can tell.
                places = {run.run_id: index for index, run in enumerate(self._book.runs_of(job))}
                suspects |= {f"{job['job_id']}:{places[item['run_id']]}": item for item in items}
        lost: list[_Item] = []
        for part in self._parts(suspects.items()):
            answers = said | self._jobs([job_id for job_id, _ in part if job_id not in said])
            outcomes: list[Outcome | None] = []
            for job_id, item in self._in_time(part):
                with self.failures.collect(item["id"]):
                    outcome = self._catch_up(item, job_id, answers.get(job_id))
                    if outcome is _LOST:
                        lost.append(item)
                    else:
                        outcomes.append(outcome)
            with self.failures.collect(*(item["id"] for _, item in part)):
                self.counts["states read from Batch"] += self._follow_up(outcomes)
        return lost

    def _catch_up(self, item: _Item, job_id: str, said: _Item | None) -> Outcome | None:
        """Apply what Batch says of a run's job; `_LOST` when another job has the run's fence."""
        change = change_of(said) if said is not None else None
        if change is None and item["updated_at"] > self._remembered:
            log.warning("Batch does not know job %s of run %s yet", job_id, item["id"])
            return None
        if change is None:
            owner = self._owner(item)
            return self._flow.forgotten(item, job_id, started=owner is not None) if owner in (None, job_id) else _LOST
        if change.superseded:
            return _LOST
        outcome = self._flow.apply(change)
        # Submitted twice under one name, the fence with the one that the ledger does not know.
        elsewhere = outcome is None and change.state.final and self._owner(item) not in (None, job_id)
        return _LOST if elsewhere else outcome

    def _ask(self, items: Sequence[_Item]) -> None:
        """Ask for jobs for runs that never had one: arrived during a pause, or to begin anew.

        Nobody can have taken their fence, and after a long pause they are too many to look.
        """
        self._door.ask([_held(item) for item in items])
        self.counts["held runs asked for again"] += len(items)

    def _ask_again(self, orphans: Sequence[_Item], lost: Sequence[_Item]) -> None:
        """See to runs whose recorded job does not work on them."""
        for part in self._parts((*orphans, *lost)):
            owners = {item["id"]: self._owner(item) for item in part}
            said = self._jobs([owner for owner in owners.values() if owner is not None])
            waiting: list[Held] = []
            outcomes: list[Outcome | None] = []
            for item in self._in_time(part):
                with self.failures.collect(item["id"]):
                    owner = owners[item["id"]]
                    change = change_of(said[owner]) if owner in said else None
                    if owner is None:
                        waiting.append(_held(item))
                    elif change is not None:
                        outcomes.append(self._flow.apply(change))
                    elif item["updated_at"] < self._remembered:
                        outcomes.append(self._flow.forgotten(item, owner, started=True))
            with self.failures.collect(*owners):
                self.counts["states read from Batch"] += self._follow_up(outcomes)
            self._door.ask(waiting)
            self.counts["held runs asked for again"] += len(waiting)

    def _owner(self, item: _Item) -> str | None:
        return self._book.fence_owner(item["group"], item["pipeline"], item["run_id"], item["attempt"])

    def _follow_up(self, outcomes: Sequence[Outcome | None]) -> int:
        found = [outcome for outcome in outcomes if outcome is not None]
        self._flow.follow_up(found)
        return len(found)

    def _jobs(self, ids: Sequence[str]) -> dict[str, _Item]:
        """What Batch says of jobs, by id; those that it has forgotten are absent."""
        return {
            job["jobId"]: job for part in chunks(ids, _DESCRIBE) for job in self._batch.describe_jobs(jobs=part)["jobs"]
        }

    def _in_time(self, items: Iterable[_T]) -> Iterator[_T]:
        """Items, as long as there is time."""
        for item in items:
            if self._is_late():
                self.cut_short = True
                return
            yield item

    def _parts(self, items: Iterable[_T]) -> Iterator[list[_T]]:
        """Items in parts, as long as there is time."""
        return self._in_time(chunks(items, _DESCRIBE))


def _held(item: _Item) -> Held:
    return Held(group=item["group"], run_id=item["run_id"], job_name=item["job_name"])


def _unfinished_children(parent: _Item) -> int:
    summary = parent["arrayProperties"].get("statusSummary", {})
    return sum(count for status, count in summary.items() if status not in ("SUCCEEDED", "FAILED"))
