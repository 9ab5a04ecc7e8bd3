"""Working through a batch of messages of which some may fail."""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["ENOUGH", "AnnounceError", "Failures", "chunks"]

ENOUGH = 0.5
"""Share of an invocation's time after which nothing more is begun: the rest is for what is in hand."""

_T = TypeVar("_T")
log = logging.getLogger("dropbatch")


class AnnounceError(RuntimeError):
    """EventBridge did not take some events."""


_SHOWN = 3
_EXPECTED = (ClientError, BotoCoreError, LookupError, AnnounceError)


class Failures:
    """Ids of what shall be tried again: of messages, which come again, or of what the next round of reconcile finds."""

    def __init__(self, spent: Callable[[], float] = lambda: 0) -> None:
        """`spent` tells which share of the invocation's time is over."""
        self.ids: set[str] = set()
        self.spent = spent

    def put_off(self, message_ids: Iterable[str]) -> bool:
        """Whether there is no time to begin with these any more; if so, they shall come again.

        A function that is ended in the middle would get all of them again, and again not come to the end.
        """
        if self.spent() < ENOUGH:
            return False
        self.ids.update(message_ids)
        return True

    @contextmanager
    def collect(self, *ids: str) -> Iterator[None]:
        """Errors inside mark these as failed and go no further: the others are still worth doing.

        So do faults of ours: what no repetition mends ends among the dead letters, and alone.
        """
        try:
            yield
        except _EXPECTED as error:
            log.warning("to be tried again, %s: %s", _named(ids), error)
            self.ids.update(ids)
        except Exception:
            log.exception("to be tried again, %s", _named(ids))
            self.ids.update(ids)

    def response(self) -> dict[str, list[dict[str, str]]]:
        """What Lambda's SQS event source expects of a function that reports partial failures."""
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(self.ids)]}


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN])}{more}"


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Items in lists of `size`, the last one shorter."""
    source = iter(items)
    while part := list(itertools.islice(source, size)):
        yield part
