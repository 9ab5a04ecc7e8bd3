"""Reconcile: what no event will ever move again is found and set going. Idempotent; says what it repaired."""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.runs import State
from lambdas.common.announce import Announcer
from lambdas.common.batches import chunks
from lambdas.common.messages import Held, Resubmit, held_body, resubmit_body
from lambdas.run_events.book import Book
from lambdas.run_events.changes import change_of
from lambdas.run_events.flow import RunEventsFlow

__all__ = ["Reconcile"]

log = logging.getLogger("dropbatch")

_Item = Mapping[str, Any]

_DESCRIBE = 100  # ids that one DescribeJobs takes
_HELD_PER_MESSAGE = 500


class Reconcile:
    """Repairs the runs of one deployment that fell behind."""

    def __init__(
        self,
        *,
        book: Book,
        flow: RunEventsFlow,
        announcer: Announcer,
        batch: Any,
        sqs: Any,
        arrival_url: str,
        lease: timedelta,
    ) -> None:
        """`arrival_url` is the arrival queue's: work enters through no other door, this work too."""
        self._book = book
        self._flow = flow
        self._announcer = announcer
        self._batch = batch
        self._sqs = sqs
        self._arrival_url = arrival_url
        self._lease = lease

    def run(self, *, at: datetime) -> dict[str, int]:
        """Look at every unfinished run that nothing touched for a lease's time; returns repairs by kind."""
        if self._book.paused():
            log.info("paused: nothing is set going")
            return {}
        behind: dict[str, list[_Item]] = defaultdict(list)
        untold: list[_Item] = []
        for item in self._book.unfinished(before=ledger.timestamp(at - self._lease)):
            if State(item["state"]).final:
                untold.append(item)
            else:
                behind[item["job_name"]].append(item)
        repairs: Counter[str] = Counter()
        self._announcer.tell(untold)
        repairs["final states told of"] += len(untold)
        orphans: list[_Item] = []
        submitted: list[tuple[_Item, list[_Item]]] = []
        for job_name, items in behind.items():
            job = self._book.job(job_name)
            known = {run.run_id for run in self._book.runs_of(job)} if job else set()
            # A run that its job does not know (the answer to its claim was lost, say) waits for nobody.
            orphans += (item for item in items if item["run_id"] not in known)
            if job and job["state"] == "SUBMITTED":
                mine = [item for item in items if item["run_id"] in known]
                submitted += [(job, mine)] if mine else []
            elif job and job["lease_until"] < ledger.timestamp(at):
                repairs[self._settle(job_name, job)] += 1
        lost = self._describe(submitted, repairs)
        self._ask_again(orphans, lost, repairs)
        done = {kind: count for kind, count in repairs.items() if count}
        log.info("reconcile: %s", done or "nothing to repair")
        return done

    def _settle(self, job_name: str, job: _Item) -> str:
        """Find out whether a prepared job was submitted; ask for it when it was not."""
        answer = self._batch.list_jobs(jobQueue=job["queue"], filters=[{"name": "JOB_NAME", "values": [job_name]}])
        found = answer["jobSummaryList"]
        if found:
            self._book.submitted(job_name, found[0]["jobId"])
            return "submissions found in Batch"
        request = Resubmit(job_name=job_name, lease_until=job["lease_until"])
        self._sqs.send_message(QueueUrl=self._arrival_url, MessageBody=resubmit_body(request))
        return "jobs asked for again"

    def _describe(self, submitted: Sequence[tuple[_Item, Sequence[_Item]]], repairs: Counter[str]) -> list[_Item]:
        """Apply what Batch says of submitted jobs; returns the runs whose job lost the fence to another."""
        said = self._jobs([job["job_id"] for job, _ in submitted])
        suspects: dict[str, _Item] = {}
        for job, items in submitted:
            answer = said.get(job["job_id"])
            if answer is None:
                log.error("Batch no longer knows job %s of %d unfinished runs", job["job_id"], len(items))
            elif job["size"] == 1:
                suspects[job["job_id"]] = items[0]
            elif _unfinished_children(answer) < len(items):
                # Some of these runs ended without an event. Which ones, only the children can tell.
                places = {run.run_id: index for index, run in enumerate(self._book.runs_of(job))}
                suspects |= {f"{job['job_id']}:{places[item['run_id']]}": item for item in items}
        said |= self._jobs([job_id for job_id in suspects if job_id not in said])
        lost: list[_Item] = []
        for job_id, item in suspects.items():
            change = change_of(said[job_id]) if job_id in said else None
            if change is not None and change.superseded:
                lost.append(item)
            elif change is not None and self._flow.apply(change):
                repairs["states read from Batch"] += 1
        return lost

    def _ask_again(self, orphans: Sequence[_Item], lost: Sequence[_Item], repairs: Counter[str]) -> None:
        """See to runs whose recorded job does not work on them."""
        waiting: list[Held] = []
        for item in (*orphans, *lost):
            owner = self._book.fence_owner(item["group"], item["pipeline"], item["run_id"], item["attempt"])
            if owner is None:
                waiting.append(Held(group=item["group"], run_id=item["run_id"], job_name=item["job_name"]))
                continue
            for job in self._jobs([owner]).values():
                change = change_of(job)
                if change is not None and self._flow.apply(change):
                    repairs["states read from Batch"] += 1
        for runs in chunks(waiting, _HELD_PER_MESSAGE):
            self._sqs.send_message(QueueUrl=self._arrival_url, MessageBody=held_body(runs))
            repairs["held runs asked for again"] += len(runs)

    def _jobs(self, ids: Sequence[str]) -> dict[str, _Item]:
        """What Batch says of jobs, by id; those that it has forgotten are absent."""
        return {
            job["jobId"]: job for part in chunks(ids, _DESCRIBE) for job in self._batch.describe_jobs(jobs=part)["jobs"]
        }


def _unfinished_children(parent: _Item) -> int:
    summary = parent["arrayProperties"].get("statusSummary", {})
    return sum(count for status, count in summary.items() if status not in ("SUCCEEDED", "FAILED"))
