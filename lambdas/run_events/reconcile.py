"""Reconcile: what no event will ever move again is found and set going. Idempotent; says what it repaired."""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.runs import State
from lambdas.common.batches import chunks
from lambdas.common.brake import Brake, BrakeError
from lambdas.common.messages import Held, Resubmit
from lambdas.run_events.book import Book
from lambdas.run_events.changes import change_of
from lambdas.run_events.door import Door
from lambdas.run_events.dry import move_off_dry_pools
from lambdas.run_events.flow import Outcome, RunEventsFlow
from lambdas.run_events.mails import Mails
from lambdas.run_events.report import report

__all__ = ["Reconcile"]

log = logging.getLogger("dropbatch")

_Item = Mapping[str, Any]

_DESCRIBE = 100  # ids that one DescribeJobs takes
_AT_ONCE = 500


class Reconcile:
    """Repairs the runs of one deployment that fell behind."""

    def __init__(
        self,
        *,
        book: Book,
        flow: RunEventsFlow,
        batch: Any,
        door: Door,
        brake: Brake,
        mails: Mails,
        deployment: Deployment,
    ) -> None:
        self._book = book
        self._flow = flow
        self._batch = batch
        self._door = door
        self._brake = brake
        self._mails = mails
        self._deployment = deployment

    def run(self, *, at: datetime) -> dict[str, int]:
        """Look at every unfinished run that nothing touched for a lease's time; returns repairs by kind."""
        repairs: Counter[str] = Counter()
        paused = self._keep_pause(at, repairs)
        behind: dict[str, list[_Item]] = defaultdict(list)
        untold: list[_Item] = []
        for item in self._book.unfinished(before=ledger.timestamp(at - self._deployment.lease)):
            if State(item["state"]).final:
                untold.append(item)
            else:
                behind[item["job_name"]].append(item)
        for part in chunks(untold, _AT_ONCE):
            self._follow_up([self._flow.left_over(item, item["attempt"]) for item in part])
        repairs["final states told of"] += len(untold)
        orphans: list[_Item] = []
        unprepared: list[_Item] = []
        submitted: list[tuple[_Item, list[_Item]]] = []
        for job_name, items in behind.items():
            job = self._book.job(job_name)
            known = {(run.run_id, run.attempt) for run in self._book.runs_of(job)} if job else set()
            # A run that its job does not know (the answer to its claim was lost, say) waits for nobody.
            mine = [item for item in items if (item["run_id"], item["attempt"]) in known]
            (orphans if job else unprepared).extend(
                item for item in items if (item["run_id"], item["attempt"]) not in known
            )
            if job and job["state"] == "SUBMITTED":
                submitted += [(job, mine)] if mine else []
            elif job and job["lease_until"] < ledger.timestamp(at):
                repairs[self._settle(job_name, job)] += 1
        lost = self._describe(submitted, repairs)
        if not paused:
            self._ask(unprepared, repairs)
            self._ask_again(orphans, lost, repairs)
            waiting = [item for _, items in submitted for item in items]
            moved = move_off_dry_pools(self._book, self._batch, self._deployment, waiting)
            repairs["runs moved off dry pools"] += moved
        self._mails.send_due(at=at)
        done = {kind: count for kind, count in repairs.items() if count}
        report(self._deployment.environment, done, at=at)
        return done

    def _keep_pause(self, at: datetime, repairs: Counter[str]) -> bool:
        """Whether the deployment is paused. If so: what was created since is paused as well, or the pause ends."""
        flag = self._book.paused()
        if flag is None:
            return False
        month = ledger.timestamp(at)[:7]
        try:
            if self._deployment.auto_resume and flag.get("by") == "budget" and flag["since"][:7] < month:
                log.warning("a new month: the pause by the budget ends")
                self._brake.resume()
                repairs["pauses ended"] += 1
                return False
            repairs["pools paused"] += self._brake.hold()
            if flag.get("stop"):
                repairs["jobs stopped"] += self._brake.stop()
            if self._book.paused() is None:
                # Resumed in this very moment: what was disabled here must not stay so.
                self._brake.resume()
                return False
        except BrakeError as error:
            log.error("%s", error)
        return True

    def _settle(self, job_name: str, job: _Item) -> str:
        """Find out whether a prepared job was submitted; ask for it when it was not."""
        answer = self._batch.list_jobs(jobQueue=job["queue"], filters=[{"name": "JOB_NAME", "values": [job_name]}])
        found = answer["jobSummaryList"]
        if found:
            self._book.submitted(job_name, found[0]["jobId"])
            return "submissions found in Batch"
        self._door.ask_again(Resubmit(job_name=job_name, lease_until=job["lease_until"]))
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
        lost: list[_Item] = []
        for part in chunks(suspects.items(), _AT_ONCE):
            answers = said | self._jobs([job_id for job_id, _ in part if job_id not in said])
            outcomes = []
            for job_id, item in part:
                change = change_of(answers[job_id]) if job_id in answers else None
                if change is not None and change.superseded:
                    lost.append(item)
                elif change is not None:
                    outcomes.append(self._flow.apply(change))
            repairs["states read from Batch"] += self._follow_up(outcomes)
        return lost

    def _ask_again(self, orphans: Sequence[_Item], lost: Sequence[_Item], repairs: Counter[str]) -> None:
        """See to runs whose recorded job does not work on them."""
        for part in chunks((*orphans, *lost), _AT_ONCE):
            waiting: list[Held] = []
            owners: list[str] = []
            for item in part:
                owner = self._book.fence_owner(item["group"], item["pipeline"], item["run_id"], item["attempt"])
                if owner is None:
                    waiting.append(Held(group=item["group"], run_id=item["run_id"], job_name=item["job_name"]))
                else:
                    owners.append(owner)
            changes = [change_of(job) for job in self._jobs(owners).values()]
            outcomes = [self._flow.apply(change) for change in changes if change is not None]
            repairs["states read from Batch"] += self._follow_up(outcomes)
            self._door.ask(waiting)
            repairs["held runs asked for again"] += len(waiting)

    def _ask(self, items: Sequence[_Item], repairs: Counter[str]) -> None:
        """Ask for jobs for runs that never had one: arrived during a pause, or to begin anew.

        Nobody can have taken their fence, and after a long pause they are too many to look.
        """
        self._door.ask([Held(group=item["group"], run_id=item["run_id"], job_name=item["job_name"]) for item in items])
        repairs["held runs asked for again"] += len(items)

    def _follow_up(self, outcomes: Sequence[Outcome | None]) -> int:
        found = [outcome for outcome in outcomes if outcome is not None]
        self._flow.follow_up(found)
        return len(found)

    def _jobs(self, ids: Sequence[str]) -> dict[str, _Item]:
        """What Batch says of jobs, by id; those that it has forgotten are absent."""
        return {
            job["jobId"]: job for part in chunks(ids, _DESCRIBE) for job in self._batch.describe_jobs(jobs=part)["jobs"]
        }


def _unfinished_children(parent: _Item) -> int:
    summary = parent["arrayProperties"].get("statusSummary", {})
    return sum(count for status, count in summary.items() if status not in ("SUCCEEDED", "FAILED"))
