"""Reconcile: what no event will ever move again is found and set going. Idempotent; says what it repaired."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.runs import State
from lambdas.common.batches import chunks
from lambdas.common.messages import held_body, resubmit_body
from lambdas.run_events.book import Book
from lambdas.run_events.changes import change_of
from lambdas.run_events.flow import RunEventsFlow

__all__ = ["Reconcile"]

log = logging.getLogger("dropbatch")

_DESCRIBE = 100  # ids that one DescribeJobs takes
_HELD_PER_MESSAGE = 500


class Reconcile:
    """Repairs the runs of one deployment that fell behind."""

    def __init__(self, *, book: Book, flow: RunEventsFlow, batch: Any, sqs: Any, arrival_url: str) -> None:
        """`arrival_url` is the arrival queue's: work enters through no other door, this work too."""
        self._book = book
        self._flow = flow
        self._batch = batch
        self._sqs = sqs
        self._arrival_url = arrival_url

    def run(self, *, at: datetime) -> dict[str, int]:
        """Look at every unfinished run that nothing touched for a lease's time; returns repairs by kind."""
        repairs: Counter[str] = Counter()
        if self._book.paused():
            log.info("paused: nothing is set going")
            return {}
        behind: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for item in self._book.unfinished(before=ledger.timestamp(at - ledger.LEASE)):
            behind[item["job_name"]].append(item)
        orphans: list[tuple[str, str]] = []
        ids: list[str] = []
        for job_name, items in behind.items():
            job = self._book.job(job_name)
            if job is None:
                orphans += ((item["group"], item["run_id"]) for item in items if item["state"] == State.HELD)
            elif job["state"] == "PREPARED":
                if job["lease_until"] < ledger.timestamp(at):
                    repairs[self._settle(job_name, job)] += 1
            else:
                ids += self._ids(job, items)
        for runs in chunks(orphans, _HELD_PER_MESSAGE):
            self._sqs.send_message(QueueUrl=self._arrival_url, MessageBody=held_body(runs))
            repairs["held runs asked for again"] += len(runs)
        repairs["states read from Batch"] += self._catch_up(ids)
        done = {kind: count for kind, count in repairs.items() if count}
        log.info("reconcile: %s", done or "nothing to repair")
        return done

    def _settle(self, job_name: str, job: Mapping[str, Any]) -> str:
        """Find out whether a prepared job was submitted; ask for it when it was not."""
        answer = self._batch.list_jobs(jobQueue=job["queue"], filters=[{"name": "JOB_NAME", "values": [job_name]}])
        found = answer["jobSummaryList"]
        if found:
            self._book.submitted(job_name, found[0]["jobId"])
            return "submissions found in Batch"
        self._sqs.send_message(QueueUrl=self._arrival_url, MessageBody=resubmit_body(job_name))
        return "jobs asked for again"

    def _ids(self, job: Mapping[str, Any], items: Iterable[Mapping[str, Any]]) -> list[str]:
        """Batch's ids of the runs' jobs."""
        if job["size"] == 1:
            return [job["job_id"]]
        wanted = {item["run_id"] for item in items}
        places = (index for index in range(job["size"]) if self._book.run_of(job, index).run_id in wanted)
        return [f"{job['job_id']}:{index}" for index in places]

    def _catch_up(self, ids: Iterable[str]) -> int:
        """Apply what Batch says now of jobs whose events did not come; returns how many it knew."""
        known = 0
        for part in chunks(ids, _DESCRIBE):
            for job in self._batch.describe_jobs(jobs=part)["jobs"]:
                change = change_of(job)
                if change is not None:
                    self._flow.apply(change)
                    known += 1
        return known
