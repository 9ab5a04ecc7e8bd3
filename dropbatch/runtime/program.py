"""Run the program in its own process group, copy its output to stdout and a file, and forward signals."""

import contextlib
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dropbatch.runtime.errors import ProgramError
from dropbatch.runtime.memory import MemorySampler
from dropbatch.runtime.stop import Stop

__all__ = ["GRACE_SECONDS", "Outcome", "run"]

GRACE_SECONDS = 20.0
"""Time for a program to end after SIGTERM. Batch kills the container after 30 s; log and record need some of them."""

_CHUNK = 64 * 1024
_TICK_SECONDS = 0.2
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the program ended."""

    exit_code: int
    """The program's code, or 128 + the number of the signal that ended it."""
    reason: str | None
    """Why it failed; None after a success."""
    peak_memory_mib: float
    cpu_seconds: float
    log_complete: bool = True
    """Whether the log file has all output; it has not if the disk was full."""


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    stop: Stop,
    grace_seconds: float = GRACE_SECONDS,
) -> Outcome:
    """Run a command until it ends; copy its output at once to stdout and to the file ``log``.

    Output is copied in pieces of 64 KiB, so memory is bounded.

    Raises:
        ProgramError: the program could not be started.
    """
    try:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            process_group=0,
            bufsize=0,
        )
    except (OSError, ValueError) as error:
        raise _not_started(command[0], error, env) from error
    stop.group = child.pid
    if stop.signal is not None:  # it arrived between the fork and the line above
        stop.forward(stop.signal)
    sampler = MemorySampler(child.pid)
    assert child.stdout is not None  # noqa: S101 – asked for above
    # Unbuffered, because closing a file with a buffer that cannot be written raises the error again.
    with log.open("wb", buffering=0) as file, child.stdout as pipe:
        copy = _Copier(pipe, file)
        status, rusage = _attend(child.pid, copy, stop, grace_seconds)
    stop.group = None
    child.returncode = os.waitstatus_to_exitcode(status)
    code = child.returncode if child.returncode >= 0 else 128 - child.returncode
    return Outcome(
        exit_code=code,
        reason=_reason(command[0], child.returncode, stop),
        peak_memory_mib=sampler.stop(rusage),
        cpu_seconds=round(rusage.ru_utime + rusage.ru_stime, 3),
        log_complete=copy.complete,
    )


def _attend(pid: int, copy: "_Copier", stop: Stop, grace_seconds: float) -> tuple[int, resource.struct_rusage]:
    """Copy output until the program has ended; return its wait status and resource usage."""
    kill_at: float | None = None
    while True:
        copy.some(_TICK_SECONDS)
        ended, status, rusage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        if stop.signal is not None:
            kill_at = kill_at or time.monotonic() + grace_seconds
            if time.monotonic() > kill_at:
                stop.forward(signal.SIGKILL)
    # Remaining child processes would keep the pipe open. They end with the container in any case.
    stop.forward(signal.SIGKILL)
    until = time.monotonic() + _DRAIN_SECONDS
    while copy.open and time.monotonic() < until:
        copy.some(_TICK_SECONDS)
    return status, rusage


class _Copier:
    """Copies from a pipe to stdout and to a file. An error in one of them does not stop the program."""

    def __init__(self, pipe: IO[bytes], log: IO[bytes]) -> None:
        self.open = True
        self.complete = True
        self._log = log
        self._pipe = pipe
        self._targets: list[IO[bytes]] = [sys.stdout.buffer, log]
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)

    def some(self, seconds: float) -> None:
        """Wait for output, at most for this time, and copy it."""
        if not self.open:
            time.sleep(_TICK_SECONDS / 10)
            return
        if not self._selector.select(seconds):
            return
        piece = os.read(self._pipe.fileno(), _CHUNK)
        if not piece:
            self.open = False
            self._selector.close()
        for target in list(self._targets):
            try:
                left = memoryview(piece)
                while left:
                    left = left[target.write(left) :]
                target.flush()
            except (OSError, ValueError):
                self._targets.remove(target)
                self.complete = self.complete and target is not self._log


def _reason(name: str, returncode: int, stop: Stop) -> str | None:
    if stop.signal is not None:
        return f"stopped by {signal.Signals(stop.signal).name} while {name} was running, results are withheld"
    if returncode == 0:
        return None
    if returncode > 0:
        return f"{name} ended with exit code {returncode}, its log says why"
    signal_name = str(-returncode)
    with contextlib.suppress(ValueError):
        signal_name = signal.Signals(-returncode).name
    hint = ": often too little memory (memory_mib)" if -returncode == signal.SIGKILL else ""
    return f"{name} was ended by {signal_name}{hint}"


def _not_started(name: str, error: OSError | ValueError, env: Mapping[str, str]) -> ProgramError:
    if isinstance(error, FileNotFoundError):
        if path := shutil.which(name, path=env.get("PATH")):
            return ProgramError(f"{path} names an interpreter in its first line that does not exist", 127)
        return ProgramError(f"{name} was not found on PATH ({env.get('PATH', 'not set')})", 127)
    if isinstance(error, PermissionError):
        return ProgramError(f"{name} is not executable by this user: chmod +x it in the image", 126)
    return ProgramError(f"{name} could not be started: {error}", 126)
