"""Pausing a deployment and letting it go on.

A disabled queue takes no new job but finishes what it has; a disabled compute environment starts nothing. Both are
needed, and a flag in the ledger keeps the arrival function from trying: arrivals become HELD.
"""

import logging
from collections.abc import Sequence
from typing import Any

from dropbatch.contract import ledger

__all__ = ["Brake"]

log = logging.getLogger("dropbatch")


class Brake:
    """The pools of one deployment, and the flag."""

    def __init__(self, *, dynamodb: Any, batch: Any, table: str, queues: Sequence[str]) -> None:
        """`queues` are the names of the pools' job queues."""
        self._dynamodb = dynamodb
        self._batch = batch
        self._table = table
        self._queues = queues

    def pause(self, reason: str) -> None:
        """Hold everything that does not run yet. Again while paused: changes nothing but repeats the switching."""
        flag = {"id": ledger.PAUSED, "since": ledger.timestamp(ledger.utc_now()), "reason": reason}
        # First the flag: from here on nothing new is submitted, however long the switching takes.
        try:
            self._dynamodb.put_item(
                TableName=self._table, Item=ledger.to_item(flag), ConditionExpression="attribute_not_exists(id)"
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            log.info("paused already")
        self._switch("DISABLED")
        log.warning("paused: %s", reason)

    def resume(self) -> None:
        """Let everything go on; held runs are asked for again by the next reconcile."""
        self._switch("ENABLED")
        self._dynamodb.delete_item(TableName=self._table, Key=ledger.to_item({"id": ledger.PAUSED}))
        log.warning("resumed")

    def _switch(self, state: str) -> None:
        found = self._batch.describe_job_queues(jobQueues=list(self._queues))["jobQueues"]
        environments = sorted(
            {place["computeEnvironment"] for queue in found for place in queue["computeEnvironmentOrder"]}
        )
        for environment in environments:
            self._batch.update_compute_environment(computeEnvironment=environment, state=state)
        for queue in found:
            self._batch.update_job_queue(jobQueue=queue["jobQueueName"], state=state)
