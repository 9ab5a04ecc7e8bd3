"""Retry while the network is unavailable, for example after a laptop slept."""

import time
from collections.abc import Callable
from typing import TypeVar

from dropbatch.cli.errors import ReachError, in_words
from dropbatch.cli.text import duration

__all__ = ["retry_while_offline"]

_SECONDS = 600.0
_PAUSE_SECONDS = 3.0

T = TypeVar("T")


def retry_while_offline(call: Callable[[], T], report: Callable[[str], None], *, seconds: float = _SECONDS) -> T:
    """Return the result of `call`. While the network is unavailable, report that and retry for up to `seconds`.

    Raises:
        Exception: the last network error after that time, and any other error at once.
    """
    begun = None
    while True:
        try:
            return call()
        except Exception as error:
            if not isinstance(in_words(error), ReachError):
                raise
            now = time.monotonic()
            begun = begun or now
            if now - begun > seconds:
                raise
            report(f"no response for {duration(now - begun)}, retrying: check the network; Ctrl-C stops")
        time.sleep(_PAUSE_SECONDS)
