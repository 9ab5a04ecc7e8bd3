"""Working through a batch of messages of which some may fail."""

import itertools
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["AnnounceError", "Failures", "chunks"]

_T = TypeVar("_T")
log = logging.getLogger("dropbatch")


class AnnounceError(RuntimeError):
    """EventBridge did not take some events."""


class Failures:
    """Ids of the messages that shall come again."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    @contextmanager
    def collect(self, *message_ids: str) -> Iterator[None]:
        """Errors of AWS inside mark these messages as failed and go no further: the others are still worth doing."""
        try:
            yield
        except (ClientError, BotoCoreError, LookupError, AnnounceError) as error:
            log.warning("%d messages will be tried again: %s", len(message_ids), error)
            self.ids.update(message_ids)

    def response(self) -> dict[str, list[dict[str, str]]]:
        """What Lambda's SQS event source expects of a function that reports partial failures."""
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(self.ids)]}


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Items in lists of `size`, the last one shorter."""
    source = iter(items)
    while part := list(itertools.islice(source, size)):
        yield part
