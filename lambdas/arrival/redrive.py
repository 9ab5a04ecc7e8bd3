"""Dead letters: what lies there and why, and back to the queue after a fix. For operators, by invoking the function.

What is sent back is not deleted before it is in the queue again: dying in between makes a message twice, which the
ledger makes once.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

__all__ = ["DeadLetters"]

log = logging.getLogger("dropbatch")

_BATCH = 10
_UNEXPLAINED = "could not be processed, again and again: see the function's log"
_HIDDEN_SECONDS = 60


class DeadLetters:
    """The dead letters of the arrival queue."""

    def __init__(self, *, sqs: Any, arrival_url: str, dead_letter_url: str) -> None:
        self._sqs = sqs
        self._arrival_url = arrival_url
        self._dead_letter_url = dead_letter_url

    def show(self, *, limit: int) -> dict[str, Any]:
        """Up to `limit` letters with their reasons; they stay where they are."""
        found = list(self._receive(limit))
        for letter in found:  # only now, or the same ones would come again
            self._sqs.change_message_visibility(
                QueueUrl=self._dead_letter_url, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )
        return {
            "letters": [
                {"message_id": letter["MessageId"], "reason": _reason(letter), "body": letter["Body"][:1000]}
                for letter in found
            ]
        }

    def redrive(self, *, limit: int) -> dict[str, Any]:
        """Send up to `limit` letters back to the queue; says how many, by reason."""
        reasons: Counter[str] = Counter()
        for letter in self._receive(limit):
            self._sqs.send_message(QueueUrl=self._arrival_url, MessageBody=letter["Body"])
            self._sqs.delete_message(QueueUrl=self._dead_letter_url, ReceiptHandle=letter["ReceiptHandle"])
            reasons[_reason(letter)] += 1
        log.warning("redrove %d dead letters", reasons.total())
        return {"redriven": reasons.total(), "reasons": dict(reasons)}

    def _receive(self, limit: int) -> Iterator[Any]:
        left = limit
        seen: set[str] = set()
        while left > 0:
            answer = self._sqs.receive_message(
                QueueUrl=self._dead_letter_url,
                MaxNumberOfMessages=min(left, _BATCH),
                MessageAttributeNames=["reason"],
                VisibilityTimeout=_HIDDEN_SECONDS,
            )
            letters = [letter for letter in answer.get("Messages", []) if letter["MessageId"] not in seen]
            if not letters:
                return
            seen.update(letter["MessageId"] for letter in letters)
            left -= len(letters)
            yield from letters


def _reason(letter: Any) -> str:
    attribute = letter.get("MessageAttributes", {}).get("reason", {})
    return str(attribute.get("StringValue", _UNEXPLAINED))
