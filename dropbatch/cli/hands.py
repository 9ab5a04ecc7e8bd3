"""Threads that carry files, or ask several things at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

__all__ = ["hands"]


@contextmanager
def hands(count: int) -> Iterator[ThreadPoolExecutor]:
    """So many threads. What was not begun when the block is left is not begun any more; what was begun is waited for.

    Not so after Ctrl-C: what is on its way may hang, and is gone on with by the next call.
    """
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except (KeyboardInterrupt, GeneratorExit):
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown(wait=True)
