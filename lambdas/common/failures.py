"""Partial failures: collect the ids of failed items in a batch, so that only these are tried again."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["ENOUGH", "Failures", "PublishError"]

ENOUGH = 0.5
"""Share of an invocation's time after which no further work is begun; the rest is for finishing."""

log = logging.getLogger("dropbatch")


class PublishError(RuntimeError):
    """EventBridge refused some events."""


_SHOWN = 3
_EXPECTED = (ClientError, BotoCoreError, LookupError, PublishError)


class Failures:
    """Ids of failed items: of messages that are delivered again, or of runs and jobs for the next reconcile."""

    def __init__(self, spent: Callable[[], float] = lambda: 0) -> None:
        """`spent` returns the share of the invocation's time that has passed."""
        self.ids: set[str] = set()
        self.spent = spent

    def postpone(self, message_ids: Iterable[str]) -> bool:
        """Return whether no time is left to begin with these messages; if so, mark them for redelivery.

        A function that times out gets all messages again, and might never finish.
        """
        if self.spent() < ENOUGH:
            return False
        self.ids.update(message_ids)
        return True

    @contextmanager
    def collect(self, *ids: str) -> Iterator[None]:
        """Catch errors in the context and mark these ids as failed, so that the others are still processed.

        This includes programming errors: a message that fails each time goes to the dead letters without the others.
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
        """Return the partial batch response for Lambda's SQS event source."""
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(self.ids)]}


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN])}{more}"
