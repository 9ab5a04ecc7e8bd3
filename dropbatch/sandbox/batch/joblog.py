"""Send a job's output to CloudWatch Logs while it runs."""

import time
from typing import Any

from dropbatch.contract.batch_reasons import CONTAINER_NOT_STARTED, TASK_NOT_STARTED
from dropbatch.sandbox import emulator
from dropbatch.sandbox.batch.runner import StartError, Task

__all__ = ["JobLog", "stream_name"]

_MOST_BYTES_PER_EVENT = 256 * 1024 - 26


def stream_name(task: Task) -> str | None:
    """Return ``<prefix>/default/<task id>``, the awslogs driver's name under Batch."""
    configuration = task.container.get("logConfiguration") or {}
    if configuration and configuration.get("logDriver") != "awslogs":
        return None
    options = configuration.get("options") or {}
    return f"{options.get('awslogs-stream-prefix', task.definition_name)}/default/{task.task_id}"


class JobLog:
    """Log stream of one task, created when the task starts, as by the awslogs driver."""

    def __init__(self, task: Task, region: str) -> None:
        self._region = region
        self._logs: Any = emulator.service("cloudwatch_logs")
        options = (task.container.get("logConfiguration") or {}).get("options") or {}
        self._group = str(options.get("awslogs-group", "/aws/batch/job"))
        self._stream = stream_name(task)
        self._partial = b""
        if self._stream is not None:
            self._create(may_create_group="awslogs-group" not in options)

    def write(self, data: bytes) -> None:
        """Buffer a piece of output; complete lines are logged at once."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > _MOST_BYTES_PER_EVENT:
            lines.append(self._partial)
            self._partial = b""
        self._put(lines)

    def close(self) -> None:
        """Write the last line if it lacks a newline."""
        if self._partial:
            self._put([self._partial])
            self._partial = b""

    def _create(self, *, may_create_group: bool) -> None:
        with emulator.request_scope(self._region):
            if may_create_group:
                self._logs._create_log_group({"logGroupName": self._group})
            status, _, _ = self._logs._create_log_stream({"logGroupName": self._group, "logStreamName": self._stream})
        if status >= 400:
            raise StartError(
                status_reason=TASK_NOT_STARTED.example,
                reason=(
                    f"{CONTAINER_NOT_STARTED.start} Error response from daemon: failed to initialize logging driver: "
                    "failed to create Cloudwatch log stream: ResourceNotFoundException: "
                    f"The specified log group does not exist: {self._group}"
                ),
            )

    def _put(self, lines: list[bytes]) -> None:
        if self._stream is None or not lines:
            return
        now = int(time.time() * 1000)
        events = [
            {"timestamp": now, "message": line[:_MOST_BYTES_PER_EVENT].decode(errors="replace").rstrip("\r")}
            for line in lines
        ]
        with emulator.request_scope(self._region):
            self._logs._put_log_events(
                {"logGroupName": self._group, "logStreamName": self._stream, "logEvents": events}
            )
