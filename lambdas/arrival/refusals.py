"""Handle rejected files and unreadable messages."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.arrival.admission import Rejected
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.new_runs import reject, rejected_run
from lambdas.common.mail import open_windows
from lambdas.common.publisher import Publisher

__all__ = ["Refusals"]

log = logging.getLogger("dropbatch")

_MOST_MESSAGE_BYTES = 1_048_576
"""Maximum size of an SQS message with its attributes:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html."""


class Refusals:
    """Writes rejections to the ledger, and sends unreadable messages to the dead-letter queue."""

    def __init__(self, deps: Dependencies, publisher: Publisher) -> None:
        self._deps = deps
        self._publisher = publisher

    def reject(self, refusals: Sequence[Rejected]) -> None:
        """Write at most `MAX_ITEMS` rejections to the ledger, open their mail windows, and publish the new ones."""
        table, minutes = self._deps.ledger, self._deps.deployment.mail_window_minutes
        now = table.now()
        written = reject(table, [rejected_run(refusal, now=now) for refusal in refusals])
        for run in written:
            log.warning("rejected %s: %s", run.input, run.reason)
        # The run events function opens the mail windows of all other runs.
        open_windows(table, written, minutes)
        self._publisher.publish(written)

    def send_to_dead_letters(self, record: Mapping[str, Any], reason: str) -> None:
        """Send an unreadable message to the dead-letter queue, with the reason as an attribute."""
        log.error("message %s sent to the dead letters: %s", record["messageId"], reason)
        self._deps.sqs.send_message(
            QueueUrl=self._deps.dead_letter_url, MessageBody=record["body"], **_reason_attribute(record["body"], reason)
        )


def _reason_attribute(body: str, reason: str) -> dict[str, Any]:
    """The reason as a message attribute, shortened to fit beside the body; empty if nothing fits."""
    room = _MOST_MESSAGE_BYTES - len(body.encode("utf-8", "surrogatepass")) - len("reason" + "String")
    text = _plain(reason[:1000]).encode()[: max(room, 0)].decode(errors="ignore")
    return {"MessageAttributes": {"reason": {"DataType": "String", "StringValue": text}}} if text else {}


def _plain(text: str) -> str:
    """The text with ``?`` for characters that SQS refuses."""
    return "".join(each if each.isprintable() else "?" for each in text)
