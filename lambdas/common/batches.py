"""Working through a batch of messages of which some may fail."""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["AnnounceError", "Failures", "chunks"]

_T = TypeVar("_T")
log = logging.getLogger("dropbatch")


class AnnounceError(RuntimeError):
    """EventBridge did not take some events."""


_EXPECTED = (ClientError, BotoCoreError, LookupError, AnnounceError)


class Failures:
    """Ids of the messages that shall come again."""

    def __init__(self, is_late: Callable[[], bool] = lambda: False) -> None:
        """`is_late` says when the invocation is to begin nothing more."""
        self.ids: set[str] = set()
        self._is_late = is_late

    def put_off(self, message_ids: Iterable[str]) -> bool:
        """Whether there is no time to begin with these messages any more; if so, they shall come again.

        A function that is ended in the middle would get all of them again, and again not come to the end.
        """
        if not self._is_late():
            return False
        self.ids.update(message_ids)
        return True

    @contextmanager
    def collect(self, *message_ids: str) -> Iterator[None]:
        """Errors inside mark these messages as failed and go no further: the others are still worth doing.

        So do faults of ours: what no repetition mends ends among the dead letters, and alone.
        """
        try:
            yield
        except _EXPECTED as error:
            log.warning("%d messages will be tried again: %s", len(message_ids), error)
            self.ids.update(message_ids)
        except Exception:
            log.exception("%d messages will be tried again", len(message_ids))
            self.ids.update(message_ids)

    def response(self) -> dict[str, list[dict[str, str]]]:
        """What Lambda's SQS event source expects of a function that reports partial failures."""
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(self.ids)]}


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Items in lists of `size`, the last one shorter."""
    source = iter(items)
    while part := list(itertools.islice(source, size)):
        yield part
