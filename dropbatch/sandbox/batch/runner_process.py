"""The `process` runner: runs a job as a local process from the image's snapshot, in a scratch directory."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from dropbatch.contract.batch_reasons import CONTAINER_NOT_STARTED, IMAGE_NOT_PULLED, TASK_NOT_STARTED
from dropbatch.sandbox.batch import credentials
from dropbatch.sandbox.batch.job_variables import job_variables
from dropbatch.sandbox.batch.joblog import JobLog, stream_name
from dropbatch.sandbox.batch.runner import Exit, StartError, Task

__all__ = ["ProcessRunner"]

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_CHUNK = 64 * 1024
_IMAGE = "DROPBATCH_SANDBOX_IMAGE"  # path of the job's snapshot, read by the shims


class ProcessRunner:
    """Run jobs as processes of this user. The image is a snapshot directory ``<images>/<tag>/``."""

    def __init__(
        self,
        *,
        images: Path,
        scratch: Path,
        endpoint_url: str,
        region: str,
        on_group: Callable[[str, int], None] = lambda sign, group: None,
    ) -> None:
        """`on_group` is called when a process group begins (``"+"``) or ends (``"-"``)."""
        self._images = images
        self._scratch = scratch
        self._endpoint_url = endpoint_url
        self._region = region
        self._on_group = on_group
        # Once, before any job: starting a program just written fails with "text file busy" while another thread forks.
        self._shims = scratch / "bin"
        self._shims.mkdir(parents=True, exist_ok=True)
        python = shlex.quote(sys.executable)
        runtime = f'PYTHONPATH="${_IMAGE}/opt/dropbatch" exec {python} -P -m dropbatch.runtime "$@"'
        _write_shim(self._shims / "dropbatch-run", runtime)
        _write_shim(self._shims / "python3", f'exec {python} "$@"')

    def log_stream(self, task: Task) -> str | None:
        """Return the log stream of a task."""
        return stream_name(task)

    def start(self, task: Task) -> "RunningProcess":
        """Start the job's command, or raise `StartError`."""
        snapshot = self._snapshot(str(task.container.get("image", "")))
        role = credentials.issue(task)
        log = JobLog(task, self._region)
        scratch = self._scratch / task.task_id
        try:
            environment = {**self._environment(task, snapshot, scratch), **role}
            _check_program(task, environment["PATH"], snapshot)
            process = self._spawn(task, environment, scratch)
        except BaseException:
            credentials.revoke(role)
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        self._on_group("+", process.pid)

        def clean_up() -> None:
            self._on_group("-", process.pid)
            credentials.revoke(role)
            shutil.rmtree(scratch, ignore_errors=True)

        return RunningProcess(process, log, clean_up)

    def _snapshot(self, image: str) -> Path:
        repository, _, tag = image.rpartition(":")
        snapshot = self._images / tag
        if not repository or "/" in tag or not tag or not snapshot.is_dir():
            fault = (
                f"{IMAGE_NOT_PULLED.start} the sandbox has no snapshot of this image "
                f"(the process runner runs only images that a deploy to it has pushed): {image}"
            )
            raise StartError(reason=fault, status_reason=fault)
        return snapshot

    def _environment(self, task: Task, snapshot: Path, scratch: Path) -> dict[str, str]:
        """Return the job's environment, without any variable of this process."""
        home, tmp = scratch / "home", scratch / "tmp"
        for directory in (home, tmp, scratch / "work"):
            directory.mkdir(parents=True)
        environment = {
            "PATH": f"{snapshot / 'opt' / 'pipeline'}:{self._shims}:{_SYSTEM_PATH}",
            _IMAGE: str(snapshot),
            "HOME": str(home),
            "TMPDIR": str(tmp),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return environment | job_variables(task, endpoint_url=self._endpoint_url, region=self._region)

    @staticmethod
    def _spawn(task: Task, environment: dict[str, str], scratch: Path) -> subprocess.Popen[bytes]:
        command = [str(part) for part in task.container.get("command") or []]
        program = shutil.which(command[0], path=environment["PATH"]) if command else None
        if program is None:
            raise StartError(
                status_reason=TASK_NOT_STARTED.example,
                reason=(
                    f"{CONTAINER_NOT_STARTED.start} Error response from daemon: failed to create task for container: "
                    f'exec: "{command[0] if command else ""}": executable file not found in $PATH'
                ),
            )
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=scratch / "work",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class RunningProcess:
    """A job's process group and its output."""

    def __init__(self, process: subprocess.Popen[bytes], log: JobLog, clean_up: Callable[[], None]) -> None:
        self._process = process
        self._log = log
        self._clean_up = clean_up
        self._reader = threading.Thread(target=self._read, name=f"log-{process.pid}", daemon=True)
        self._reader.start()

    def wait(self) -> Exit:
        """Wait for the main process, then kill the rest of its group, as in a container."""
        code = self._process.wait()
        self._signal(signal.SIGKILL)
        self._reader.join(timeout=10)
        self._clean_up()
        return Exit(code=code if code >= 0 else 128 - code)

    def signal_stop(self) -> None:
        """Send SIGTERM to the main process, as ECS does."""
        if self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL to the process group."""
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # macOS reports "not permitted" for a group whose members have all ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        with self._process.stdout as pipe:
            while data := os.read(pipe.fileno(), _CHUNK):
                self._log.write(data)
        self._log.close()


def _check_program(task: Task, path: str, snapshot: Path) -> None:
    """Refuse a program that exists only in the real image, with a clearer message than "not found".

    Raises:
        StartError: the program after ``dropbatch-run --`` is not available here.
    """
    command = [str(part) for part in task.container.get("command") or []]
    if command[:1] != ["dropbatch-run"] or "--" not in command[:-1]:
        return
    program = command[command.index("--") + 1]
    if "{" in program or shutil.which(program, path=path) is not None:
        return
    note = snapshot / "base"
    around = f", and of its base {note.read_text()} this runner knows nothing" if note.is_file() else ""
    raise StartError(
        status_reason=TASK_NOT_STARTED.example,
        reason=(
            f"{CONTAINER_NOT_STARTED.start} the sandbox's process runner has no program {program!r}: it is neither in "
            f"the pipeline's folder nor on this machine{around}: install it here, or use containers with "
            "`dropbatch sandbox up --runner container`"
        ),
    )


def _write_shim(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
