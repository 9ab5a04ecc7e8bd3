"""Partial failures: some items of a batch fail, and are tried again without the others."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["ENOUGH", "Failures", "PublishError"]

ENOUGH = 0.5
"""Share of an invocation's time after which no further work is begun: the rest is for work that was begun."""

log = logging.getLogger("dropbatch")


class PublishError(RuntimeError):
    """EventBridge refused some events."""


_SHOWN = 3
_EXPECTED = (ClientError, BotoCoreError, LookupError, PublishError)


class Failures:
    """Ids to be tried again: of messages, which are delivered again, or of items that the next reconcile finds."""

    def __init__(self, spent: Callable[[], float] = lambda: 0) -> None:
        """`spent` returns the share of the invocation's time that is over."""
        self.ids: set[str] = set()
        self.spent = spent

    def postpone(self, message_ids: Iterable[str]) -> bool:
        """Return whether no time is left to begin with these messages; if so, they are delivered again.

        A function that is ended in the middle would get all of them again, and again not finish.
        """
        if self.spent() < ENOUGH:
            return False
        self.ids.update(message_ids)
        return True

    @contextmanager
    def collect(self, *ids: str) -> Iterator[None]:
        """Catch errors inside and mark these ids as failed, so that the others are still handled.

        That holds for errors of our own code too: a message that fails each time ends in the dead letters, alone.
        """
        try:
            yield
        except _EXPECTED as error:
            log.warning("will be tried again: %s: %s", _named(ids), error)
            self.ids.update(ids)
        except Exception:
            log.exception("will be tried again: %s", _named(ids))
            self.ids.update(ids)

    def response(self) -> dict[str, list[dict[str, str]]]:
        """Return the answer by which Lambda's SQS event source learns of partial failures."""
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(self.ids)]}


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN])}{more}"
