"""Handle rejected files and messages that cannot be understood."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.arrival.admission import Rejected
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.new_runs import reject, rejected_run
from lambdas.common.mail_windows import open_windows
from lambdas.common.publisher import Publisher

__all__ = ["Refusals"]

log = logging.getLogger("dropbatch")

_MOST_MESSAGE_BYTES = 1_048_576
"""Of a message with its attributes: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html."""


class Refusals:
    """Records rejected files in the ledger, and sends unknown messages to the dead letters."""

    def __init__(self, deps: Dependencies, publisher: Publisher) -> None:
        self._deps = deps
        self._publisher = publisher

    def reject(self, refusals: Sequence[Rejected]) -> None:
        """Write rejections, at most `MAX_ITEMS`, into the ledger, and publish those that are new."""
        table, minutes = self._deps.ledger, self._deps.deployment.mail_window_minutes
        now = table.now()
        written = reject(table, [rejected_run(refusal, now=now) for refusal in refusals])
        for run in written:
            log.warning("rejected %s: %s", run.input, run.reason)
        # Run events opens the mail windows of all other runs.
        open_windows(table, written, minutes)
        self._publisher.publish(written)

    def send_to_dead_letters(self, record: Mapping[str, Any], reason: str) -> None:
        """Send a message that can never be understood to the dead letters, with the reason as an attribute."""
        log.error("message %s to the dead letters: %s", record["messageId"], reason)
        self._deps.sqs.send_message(
            QueueUrl=self._deps.dead_letter_url, MessageBody=record["body"], **_reason_attribute(record["body"], reason)
        )


def _reason_attribute(body: str, reason: str) -> dict[str, Any]:
    """The reason as an attribute, cut to the room that the body leaves, or nothing."""
    room = _MOST_MESSAGE_BYTES - len(body.encode("utf-8", "surrogatepass")) - len("reason" + "String")
    text = _plain(reason[:1000]).encode()[: max(room, 0)].decode(errors="ignore")
    return {"MessageAttributes": {"reason": {"DataType": "String", "StringValue": text}}} if text else {}


def _plain(text: str) -> str:
    """The text without characters that SQS refuses."""
    return "".join(each if each.isprintable() else "?" for each in text)
