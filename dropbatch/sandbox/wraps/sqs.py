"""A wrap of SQS as an event source of functions."""

import json
import threading
import time
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_sqs_batches"]

_MOST_LAMBDA_BYTES = 6 * 1024 * 1024
_RECORD_BYTES = 700  # bytes that Lambda's event adds to a message's body


def wrap_sqs_batches() -> None:
    """Honour batch size, batching window and 6 MB per event; MiniStack passes at most 10 messages, without a window."""
    sqs, lambdas = emulator.service("sqs"), emulator.service("lambda_svc")
    wake = emulator.module("core.concurrency").esm_wake
    original = expected(sqs, "_receive_messages_for_esm", "(queue_url: str, max_number: int) -> list[dict]")
    due: dict[str, float] = {}

    def window_of(queue: dict[str, Any]) -> float:
        arn = queue["attributes"]["QueueArn"]
        mapping: dict[str, Any] = next(
            (each for each in lambdas._esms.values() if each.get("EventSourceArn") == arn), {}
        )
        return float(mapping.get("MaximumBatchingWindowInSeconds") or 0)

    def receive(queue_url: str, most: int) -> Any:
        with sqs._queues_lock:
            queue = sqs._get_q(queue_url)
            if not queue["is_fifo"]:
                sqs._expire_retained(queue)
                sqs._dlq_sweep(queue)
                now = time.time()
                visible = [each for each in queue["messages"] if each.get("visible_at", 0) <= now]
                count, full = _fitting(visible, most)
                left = window_of(queue) - (now - _waiting_since(visible)) if visible and not full else 0
                if left <= 0:
                    due.pop(queue_url, None)
                    return sqs._collect_msgs(queue, count, int(queue["attributes"].get("VisibilityTimeout", "30")))
                if due.get(queue_url, 0) < now:
                    # MiniStack polls once a second; the window may end in between.
                    due[queue_url] = now + left
                    threading.Timer(left, wake.set).start()
                return []
        return original(queue_url, most)

    sqs._receive_messages_for_esm = receive


def _fitting(messages: list[dict[str, Any]], most: int) -> tuple[int, bool]:
    """Return how many of the messages fit into one event, and whether that event is full."""
    size = 0
    for count, message in enumerate(messages[:most]):
        size += _RECORD_BYTES + len(json.dumps(message["body"]))
        if size > _MOST_LAMBDA_BYTES:
            return max(count, 1), True
    return min(len(messages), most), len(messages) >= most


def _waiting_since(messages: list[dict[str, Any]]) -> float:
    return min(float(max(each.get("visible_at", 0), each.get("sent_at", 0))) for each in messages)
