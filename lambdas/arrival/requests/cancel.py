"""Cancel runs.

A job may start at any moment, so canceling takes the run's fence first. If the fence was free, no job can start the
run any more: the run is CANCELLED at once and gets a record, and a job that waits in Batch is terminated only to free
its place in the queue. If a job holds the fence, that job is terminated, and its event ends the run.
"""

import logging
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from dropbatch.contract import fence
from dropbatch.contract.endings import Ending
from dropbatch.contract.items import Job, Run
from dropbatch.contract.manifest import ManifestError
from dropbatch.contract.runs import State
from lambdas.arrival.dependencies import Dependencies
from lambdas.common.publisher import Publisher
from lambdas.ledger.settlement import release
from lambdas.ledger.transitions import CANCEL, REQUEST_CANCEL

__all__ = ["Canceller", "remember"]

log = logging.getLogger("dropbatch")

_REASON = "cancelled on request before it started"
_ROUNDS = 5
_REMEMBERED = 10


def remember(run: Run, request: str) -> tuple[str, ...]:
    """Return the last requests that changed a run, including this one."""
    return (*(each for each in run.requests if each != request), request)[-_REMEMBERED:]


class Canceller:
    """Cancels runs."""

    def __init__(self, deps: Dependencies, publisher: Publisher) -> None:
        self._deps = deps
        self._ledger = deps.ledger
        self._publisher = publisher

    def cancel(self, runs: Sequence[Run], request: str) -> None:
        """Cancel the runs that have not ended. After an error, call it again: this is safe."""
        jobs = _Jobs(self._deps)
        for run in runs:
            marked = self._mark(run, request)
            if marked is None:
                log.info("%s was retried after this request cancelled it", run.id)
            else:
                self._cancel(marked, jobs)

    def _cancel(self, run: Run, jobs: "_Jobs") -> None:
        attempt = run.attempt
        for _ in range(_ROUNDS):
            if run.state.final and not _unpublished(run):
                log.info("%s is %s already", run.id, run.state)
                return
            owner = self._deps.objects.take_fence(run, f"{fence.CANCELED}{run.cancel}")
            if not owner.startswith(fence.CANCELED):
                self._terminate(owner)
                return
            run = self._end(run)
            if run.attempt != attempt:
                # A marked run is not rescued, so a retry request opened this attempt: leave it alone.
                log.info("%s has been retried", run.id)
                return
            if run.state.final:
                self._free_queue(run, jobs)
                return
            log.info("%s has changed to %s", run.id, run.state)
        raise LookupError(f"{run.id} changed in each of {_ROUNDS} rounds")

    def _mark(self, run: Run, request: str) -> Run | None:
        """Store the request in the run, so that no further attempt is opened; return the updated run.

        Return None when the run was retried after this request had canceled it: a repeated delivery of the request
        must not cancel the new attempt.
        """
        for _ in range(_ROUNDS):
            if request in run.requests and not run.cancel:
                return None
            after = run._replace(cancel=request, requests=remember(run, request))
            marked = self._ledger.change(REQUEST_CANCEL, run, after)
            if marked is not None:
                return marked
            run = self._ledger.reread(run)
        raise LookupError(f"{run.id} was changed by others in each of {_ROUNDS} rounds")

    def _end(self, run: Run) -> Run:
        """End the attempt; return the run as stored, which may be at another attempt."""
        if run.state.final:
            ended = run
        else:
            now = self._ledger.now()
            # The record comes first: once the ledger has the final state, the next attempt may write its own record.
            self._write_record(run, now)
            after = run._replace(
                state=State.CANCELLED,
                reason=_REASON,
                not_started=tuple(self._deps.deployment.descendants(run.pipeline)),
                updated_at=now,
                stopped_at=now,
                reserved=run.reserved and run.reserved._replace(amount=0),
            )
            entry = {"Update": CANCEL.update(self._ledger.table, run, after)}
            settlement = release(self._ledger.table, run, 0)
            # A successful write is not read again: a request may have opened the next attempt already.
            written = self._ledger.write_settling([entry], settlement)
            ended = after if written else self._ledger.reread(run)
        if _unpublished(ended):
            self._publisher.publish([ended])
        return ended

    def _write_record(self, run: Run, now: str) -> None:
        """Write the record of an attempt that no job will start, unless this or a later attempt has one."""
        record = self._deps.objects.record(run.output_prefix)
        if record is None or record["attempt"] < run.attempt:
            self._deps.objects.write_record(run, status=State.CANCELLED, reason=_REASON, stopped_at=now)

    def _terminate(self, job_id: str) -> None:
        """Terminate a job or a child of an array; one that has ended is not changed."""
        try:
            self._deps.batch.terminate_job(jobId=job_id, reason=Ending.CANCELLED)
        except ClientError as error:
            if fence.error_code(error) != "ClientException":
                raise
            log.info("job %s cannot be terminated: %s", job_id, error)  # Batch no longer knows it

    def _free_queue(self, run: Run, jobs: "_Jobs") -> None:
        """Terminate a job that would stop at the fence. This is optional, so errors are only logged."""
        try:
            job_id = jobs.of(run)
            if job_id is not None:
                self._terminate(job_id)
        except (ClientError, BotoCoreError, ManifestError) as error:
            log.warning("the job of %s was not terminated, it will stop by itself: %s", run.id, error)


class _Jobs:
    """Finds the job ids of runs; reads each JOB item and each manifest once."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._jobs: dict[str, Job | None] = {}
        self._places: dict[str, dict[str, int]] = {}

    def of(self, run: Run) -> str | None:
        """Return the id of a run's job, or of its child in an array job; None before the job is submitted."""
        name = run.job_name
        if name not in self._jobs:
            self._jobs[name] = self._deps.ledger.job(name)
        job = self._jobs[name]
        if job is None or not job.submitted:
            return None
        if job.size == 1:
            return job.job_id
        if name not in self._places:
            specs = self._deps.objects.runs_of(job)
            self._places[name] = {spec.run_id: index for index, spec in enumerate(specs)}
        index = self._places[name].get(run.run_id)
        return None if index is None else f"{job.job_id}:{index}"


def _unpublished(run: Run) -> bool:
    """Whether an earlier invocation canceled the run but was stopped before it published the state."""
    return run.state is State.CANCELLED and run.pending
