"""Interface of the runners, which run the containers of jobs."""

from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Exit", "Runner", "Running", "StartError", "Task"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One attempt of one job."""

    job_id: str
    task_id: str
    """32 hex digits, as ECS gives tasks."""
    attempt: int
    """1 for the first try."""
    index: int | None
    queue_name: str
    environment_name: str
    definition_name: str
    container: dict[str, Any]
    """Container properties with overrides applied, in AWS's shape."""


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a container ended."""

    code: int | None
    reason: str | None = None
    """ECS's reason for the container, such as ``OutOfMemoryError: …``."""


class StartError(Exception):
    """The container never started. `reason` and `status_reason` are ECS's texts for the container and the task."""

    def __init__(self, *, reason: str | None = None, status_reason: str) -> None:
        super().__init__(reason or status_reason)
        self.reason = reason
        self.status_reason = status_reason


class Running(Protocol):
    """A started container."""

    def wait(self) -> Exit:
        """Wait for the end; on return the log is complete."""

    def signal_stop(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""


class Runner(Protocol):
    """Starts containers."""

    def log_stream(self, task: Task) -> str | None:
        """Return the log stream of a task, known before it starts; None without a log configuration."""

    def start(self, task: Task) -> Running:
        """Start the container, or raise `StartError`."""
