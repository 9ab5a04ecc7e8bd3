"""Retry while the network is away: after a laptop slept, say."""

import time
from collections.abc import Callable
from typing import TypeVar

from dropbatch.cli.errors import ReachError, in_words
from dropbatch.cli.text import duration

__all__ = ["retry_while_offline"]

_SECONDS = 600.0
_PAUSE_SECONDS = 3.0

T = TypeVar("T")


def retry_while_offline(look: Callable[[], T], tell: Callable[[str], None], *, seconds: float = _SECONDS) -> T:
    """Return the result of `look`; call it again for some minutes while the network is away, and report that by `tell`.

    Raises:
        Exception: whatever `look` raises, if it is something else, or goes on for longer.
    """
    begun = None
    while True:
        try:
            return look()
        except Exception as error:
            if not isinstance(in_words(error), ReachError):
                raise
            now = time.monotonic()
            begun = begun or now
            if now - begun > seconds:
                raise
            tell(f"no answer for {duration(now - begun)}, trying again: is there a network? Ctrl-C stops this")
        time.sleep(_PAUSE_SECONDS)
