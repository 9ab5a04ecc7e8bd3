"""Pausing a deployment and letting it go on.

A disabled queue takes no new job but finishes what it has; a disabled compute environment starts nothing. Both are
needed, and a flag in the ledger keeps the arrival function from trying: arrivals become HELD.
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
    """Some pools could not be switched; says which. Trying again is safe."""


class Brake:
    """The pools of one deployment, and the flag."""

    def __init__(self, table: Ledger, *, batch: Any, queues: Sequence[str]) -> None:
        """`queues` are the names of the pools' job queues."""
        self._ledger = table
        self._batch = batch
        self._queues = queues

    def pause(self, reason: str, *, by: str, stop: bool = False) -> bool:
        """Hold everything that does not run yet; with `stop`, end what runs too: it starts anew when this is over.

        Again while paused: keeps the first reason and repeats the switching. Returns whether it was not paused before.

        Raises:
            BrakeError: some pools could not be switched. The flag is set all the same.
        """
        # First the flag: from here on nothing new is submitted, however long the switching takes.
        flag = Pause(since=self._ledger.now(), reason=reason, by=by, stop=stop)
        is_new = self._ledger.put_new(flag.to_item())
        if not is_new:
            log.info("paused already")
        try:
            self.hold()
        finally:  # what could not be switched is no reason to let the rest run
            if stop:
                self.stop()
        log.warning("paused: %s", reason)
        return is_new

    def resume(self) -> None:
        """Let everything go on; held runs are asked for again by the next reconcile.

        Raises:
            BrakeError: some pools could not be switched; the deployment stays paused.
        """
        self._switch("ENABLED")
        self._ledger.delete(ledger.PAUSED)
        log.warning("resumed")

    def hold(self) -> int:
        """Disable every pool that is not, say one that was created during the pause; returns how many there were.

        Raises:
            BrakeError: some could not be disabled.
        """
        return self._switch("DISABLED")

    def stop(self) -> int:
        """End every job that has a machine; returns how many there were. Those that wait keep their place."""
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
        # All pages before the first termination: that would shift what the later pages hold.
        pages = self._batch.get_paginator("list_jobs").paginate(**which)
        return [job for page in pages for job in page["jobSummaryList"]]

    def _switch(self, state: str) -> int:
        queues = self._batch.describe_job_queues(jobQueues=list(self._queues))["jobQueues"]
        names = sorted({place["computeEnvironment"] for queue in queues for place in queue["computeEnvironmentOrder"]})
        environments = self._environments(names) if names else []  # none would mean all of the account
        faults = []
        count = 0
        # Machines first: a queue that still takes jobs costs nothing.
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
        found = self._batch.describe_compute_environments(computeEnvironments=names)
        environments: list[_Resource] = found["computeEnvironments"]
        return environments

    def _try(self, call: Any, **arguments: str) -> list[str]:
        """Switch one thing, so that a thing that is just being changed does not keep the others from being switched."""
        try:
            call(**arguments)
        except ClientError as error:
            return [str(error)]
        return []


def _is_array(job: _Resource) -> bool:
    array = job.get("arrayProperties") or {}
    return "size" in array and "index" not in array
