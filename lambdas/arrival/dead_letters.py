"""Dead letters of the arrival queue: list them with their reasons, and send them back after a fix.

Operators invoke the function for this. A message is deleted only after it was sent back, so it may be processed twice;
the ledger ignores the second time.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

__all__ = ["DeadLetters"]

log = logging.getLogger("dropbatch")

_BATCH = 10
_UNEXPLAINED = "every try to process it failed: see the function's log"
_HIDDEN_SECONDS = 60


class DeadLetters:
    """The dead letters of the arrival queue."""

    def __init__(self, *, sqs: Any, arrival_url: str, dead_letter_url: str) -> None:
        self._sqs = sqs
        self._arrival_url = arrival_url
        self._dead_letter_url = dead_letter_url

    def show(self, *, limit: int) -> dict[str, Any]:
        """Return up to `limit` dead letters with their reasons; they stay in the queue."""
        letters = list(self._receive(limit))
        for letter in letters:  # made visible only after the last receive, which would return them again
            self._sqs.change_message_visibility(
                QueueUrl=self._dead_letter_url, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )
        return {
            "letters": [
                {"message_id": letter["MessageId"], "reason": _reason(letter), "body": letter["Body"][:1000]}
                for letter in letters
            ]
        }

    def redrive(self, *, limit: int) -> dict[str, Any]:
        """Send up to `limit` dead letters back to the arrival queue; return their number by reason."""
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
