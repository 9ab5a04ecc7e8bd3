"""A thread pool that cancels its pending tasks after an error."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

__all__ = ["thread_pool"]


@contextmanager
def thread_pool(count: int) -> Iterator[ThreadPoolExecutor]:
    """Provide a pool of `count` threads. Cancel pending tasks on an error, and wait for running ones.

    Ctrl-C does not wait: a running transfer may hang, and the next call of the command resumes it.
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
