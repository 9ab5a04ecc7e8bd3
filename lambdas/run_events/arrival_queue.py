"""Client for the arrival queue: the system sends its own requests through the same queue as dropped files."""

from collections.abc import Sequence
from typing import Any

from dropbatch.contract.batches import chunks
from lambdas.common.system_messages import Finished, Held, Resubmit, held_body, next_body, resubmit_body

__all__ = ["ArrivalQueue"]

_PER_MESSAGE = 100


class ArrivalQueue:
    """Sends messages to the arrival queue."""

    def __init__(self, *, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def ask_for_jobs(self, runs: Sequence[Held]) -> None:
        """Ask for jobs for held runs."""
        for part in chunks(dict.fromkeys(runs), _PER_MESSAGE):
            self._send(held_body(part))

    def ask_for_next_steps(self, runs: Sequence[Finished]) -> None:
        """Ask for the next runs after finished runs."""
        for part in chunks(dict.fromkeys(runs), _PER_MESSAGE):
            self._send(next_body(part))

    def ask_to_resubmit(self, job: Resubmit) -> None:
        """Ask to submit a prepared job again."""
        self._send(resubmit_body(job))

    def _send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body)
