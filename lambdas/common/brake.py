"""Pause and resume a deployment.

A disabled job queue accepts no new jobs but still places the jobs it has; a disabled compute environment places none.
So both are disabled. A flag in the ledger stops the arrival function from submitting: new runs stay HELD.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from dropbatch.contract import ledger
from dropbatch.contract.endings import Ending
from dropbatch.contract.items import Pause
from lambdas.ledger.table import Ledger

__all__ = ["Brake", "BrakeError"]

log = logging.getLogger("dropbatch")

_Resource = dict[str, Any]


class BrakeError(RuntimeError):
    """Some pools could not be enabled or disabled. Calling again is safe."""


class Brake:
    """Pauses and resumes one deployment."""

    def __init__(self, table: Ledger, *, batch: Any, queues: Sequence[str]) -> None:
        """`queues` are the names of the pools' job queues."""
        self._ledger = table
        self._batch = batch
        self._queues = queues

    def pause(self, reason: str, *, by: str, stop: bool = False) -> bool:
        """Pause: no further job starts. With `stop`, also terminate running jobs; their runs start again afterwards.

        During a pause the first reason is kept, and the pools are disabled again.

        Returns:
            Whether the deployment was not paused before.

        Raises:
            BrakeError: some pools could not be disabled. The flag is set nevertheless.
        """
        # The flag is set first: no job is submitted any more, however long it takes to disable the pools.
        flag = Pause(since=self._ledger.now(), reason=reason, by=by, stop=stop)
        is_new = self._ledger.put_new(flag.to_item())
        if not is_new:
            log.info("paused already")
        try:
            self.hold()
        finally:  # even if some pools could not be disabled
            if stop:
                self.stop()
        log.warning("paused: %s", reason)
        return is_new

    def resume(self) -> None:
        """End the pause; the next reconcile asks for the jobs of held runs.

        Raises:
            BrakeError: some pools could not be enabled; the deployment stays paused.
        """
        self._switch("ENABLED")
        self._ledger.delete(ledger.PAUSED)
        log.warning("resumed")

    def hold(self) -> int:
        """Disable every enabled pool, for example one that was created during the pause; return their number.

        Raises:
            BrakeError: some pools could not be disabled.
        """
        return self._switch("DISABLED")

    def stop(self) -> int:
        """Terminate every job that has a machine; return their number. Waiting jobs keep their place."""
        count = 0
        for job_id in self._placed():
            self._batch.terminate_job(jobId=job_id, reason=Ending.STOPPED)
            count += 1
        log.warning("stopped %d jobs", count)
        return count

    def _placed(self) -> Iterator[str]:
        for queue in self._queues:
            for status in ("STARTING", "RUNNING"):
                yield from (job["jobId"] for job in self._jobs(jobQueue=queue, jobStatus=status) if not _is_array(job))
            for parent in self._jobs(jobQueue=queue, jobStatus="PENDING"):
                if _is_array(parent):
                    for status in ("STARTING", "RUNNING"):
                        yield from (job["jobId"] for job in self._jobs(arrayJobId=parent["jobId"], jobStatus=status))

    def _jobs(self, **which: str) -> list[_Resource]:
        # All pages are read before the first termination, which would change the content of later pages.
        pages = self._batch.get_paginator("list_jobs").paginate(**which)
        return [job for page in pages for job in page["jobSummaryList"]]

    def _switch(self, state: str) -> int:
        queues = self._batch.describe_job_queues(jobQueues=list(self._queues))["jobQueues"]
        names = sorted({each["computeEnvironment"] for queue in queues for each in queue["computeEnvironmentOrder"]})
        environments = self._environments(names) if names else []  # without names AWS returns all of the account
        faults = []
        count = 0
        # Compute environments first: an enabled queue alone costs nothing.
        for environment in environments:
            if environment["state"] != state:
                name = environment["computeEnvironmentName"]
                faults += self._try(self._batch.update_compute_environment, computeEnvironment=name, state=state)
        for queue in queues:
            if queue["state"] != state:
                count += 1
                faults += self._try(self._batch.update_job_queue, jobQueue=queue["jobQueueName"], state=state)
        if faults:
            raise BrakeError(f"not all pools are {state.lower()}: {'; '.join(faults)}: try again in a minute")
        return count

    def _environments(self, names: Sequence[str]) -> list[_Resource]:
        answer = self._batch.describe_compute_environments(computeEnvironments=names)
        environments: list[_Resource] = answer["computeEnvironments"]
        return environments

    def _try(self, call: Any, **arguments: str) -> list[str]:
        """Update one resource and return its error, if any, so that the other resources are still updated."""
        try:
            call(**arguments)
        except ClientError as error:
            return [str(error)]
        return []


def _is_array(job: _Resource) -> bool:
    array = job.get("arrayProperties") or {}
    return "size" in array and "index" not in array
