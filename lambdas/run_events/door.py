"""The arrival queue, the one door: work enters through no other, this work too."""

from collections.abc import Sequence
from typing import Any

from lambdas.common.batches import chunks
from lambdas.common.own_messages import Finished, Held, Resubmit, held_body, next_body, resubmit_body

__all__ = ["Door"]

_PER_MESSAGE = 100
"""With the usual batch of a hundred messages, an array job's worth of runs in one invocation."""


class Door:
    """Asks the arrival function for things."""

    def __init__(self, *, sqs: Any, url: str) -> None:
        """`url` is the arrival queue's."""
        self._sqs = sqs
        self._url = url

    def ask(self, runs: Sequence[Held]) -> None:
        """Ask for jobs for runs that wait."""
        for part in chunks(dict.fromkeys(runs), _PER_MESSAGE):
            self._send(held_body(part))

    def ask_next(self, runs: Sequence[Finished]) -> None:
        """Ask for what comes after runs."""
        for part in chunks(dict.fromkeys(runs), _PER_MESSAGE):
            self._send(next_body(part))

    def ask_again(self, job: Resubmit) -> None:
        """Ask for a prepared job to be submitted."""
        self._send(resubmit_body(job))

    def _send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body)
