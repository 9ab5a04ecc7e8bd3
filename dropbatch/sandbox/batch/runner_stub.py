"""The `stub` runner: every container succeeds without running. For tests with many jobs."""

from dropbatch.sandbox.batch.joblog import stream_name
from dropbatch.sandbox.batch.runner import Exit, Task

__all__ = ["StubRunner"]


class StubRunner:
    """Runner without effects: no fence, no results, no log, no record."""

    def log_stream(self, task: Task) -> str | None:
        """Return the log stream that a task would have."""
        return stream_name(task)

    def start(self, task: Task) -> "_Ended":
        """Return a container that has ended."""
        return _Ended()


class _Ended:
    def wait(self) -> Exit:
        return Exit(code=0)

    def signal_stop(self) -> None:
        pass

    def kill(self) -> None:
        pass
