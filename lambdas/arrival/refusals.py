"""What becomes of what starts nothing: a reason in the ledger for files, the dead letters for poison."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.keys import uri
from dropbatch.contract.runs import State, order
from lambdas.arrival.admission import Rejected
from lambdas.arrival.claims import claim, request_fields
from lambdas.arrival.surroundings import Surroundings
from lambdas.common.announce import Announcer
from lambdas.common.windows import open_windows

__all__ = ["Refusals"]

log = logging.getLogger("dropbatch")

_MOST_MESSAGE_BYTES = 1_048_576
"""Of a message with its attributes: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html."""


class Refusals:
    """Keeps what was refused, and sees that people hear of it."""

    def __init__(self, around: Surroundings, announcer: Announcer) -> None:
        self._around = around
        self._announcer = announcer

    def reject(self, refusals: Sequence[Rejected]) -> None:
        """Write refusals, at most `MAX_TRANSACTION`, into the ledger, and tell of those that are new."""
        around = self._around
        now = ledger.timestamp(around.clock())
        written = claim(around.dynamodb, around.table, [_item(refusal, now=now) for refusal in refusals])
        for item in written:
            log.warning("rejected %s: %s", item["input"], item["reason"])
        # So that they are mailed; what runs is seen to by run events.
        open_windows(around.dynamodb, around.table, written, around.deployment.mail_window_minutes)
        self._announcer.tell(written)

    def bury(self, record: Mapping[str, Any], reason: str) -> None:
        """Send a message that can never be understood to the dead letters, with the reason beside it."""
        log.error("message %s to the dead letters: %s", record["messageId"], reason)
        self._around.sqs.send_message(
            QueueUrl=self._around.dead_letter_url, MessageBody=record["body"], **_beside(record["body"], reason)
        )


def _item(rejected: Rejected, *, now: str) -> dict[str, Any]:
    """RUN item, in plain values, of a file that was refused."""
    return {
        "id": ledger.run_key(rejected.group, rejected.run_id),
        "group": rejected.group,
        "run_id": rejected.run_id,
        "pipeline": rejected.pipeline,
        "state": State.REJECTED,
        "attempt": 0,
        "order": order(0, State.REJECTED),
        "input": uri(rejected.arrival.bucket, rejected.arrival.key),
        "version_id": rejected.arrival.version_id,
        "size": rejected.arrival.size,
        "reason": rejected.reason,
        "created_at": now,
        "updated_at": now,
        "day": ledger.day_key(rejected.group, now[:10], rejected.run_id),
        # Until its owner was told.
        "unfinished": ledger.unfinished_key(rejected.run_id),
        **request_fields(rejected.request),
    }


def _beside(body: str, reason: str) -> dict[str, Any]:
    """The reason as an attribute, cut to what the body leaves room for, or nothing."""
    room = _MOST_MESSAGE_BYTES - len(body.encode("utf-8", "surrogatepass")) - len("reason" + "String")
    text = _plain(reason[:1000]).encode()[: max(room, 0)].decode(errors="ignore")
    return {"MessageAttributes": {"reason": {"DataType": "String", "StringValue": text}}} if text else {}


def _plain(text: str) -> str:
    """The text without characters that SQS refuses."""
    return "".join(each if each.isprintable() else "?" for each in text)
