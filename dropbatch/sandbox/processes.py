"""Operating-system processes: identify them, kill process groups, lock files."""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["alive", "exclusive", "kill_group", "noted", "port_is_free", "start_mark", "wait_until"]


def start_mark(pid: int) -> str | None:
    """Return a mark that distinguishes this process from a later one with the same id; None if it does not exist."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except ProcessLookupError:
        return None
    else:
        state, *fields = text.rpartition(")")[2].split()
        return None if state in {"Z", "X"} else fields[18]
    listed = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    found = listed.stdout.strip()
    return None if not found or found.startswith("Z") else found.partition(" ")[2].strip()


def alive(pid: int, mark: str) -> bool:
    """Return whether the process with this start mark still runs."""
    return start_mark(pid) == mark


def kill_group(group: int) -> None:
    """Send SIGKILL to a process group, which may have ended."""
    # macOS reports "not permitted" for a group whose members have all ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


@contextlib.contextmanager
def noted(directory: Path, group: int) -> Iterator[None]:
    """Record a process group in a file while it runs, so that a later start can kill it after a crash."""
    path = directory / str(group)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(start_mark(group) or "")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Wait for `condition`; return whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on this port of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def exclusive(path: Path, waiting: Callable[[], None] = lambda: None, seconds: float = 300) -> Iterator[None]:
    """Hold the lock on a file, created if missing; call `waiting` once if another process holds it.

    Raises:
        TimeoutError: another process held the lock for the time limit.
    """
    told = False
    deadline = time.monotonic() + seconds
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if error.errno not in {errno.EAGAIN, errno.EACCES}:
                        raise
                if not told:
                    waiting()
                    told = True
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{path} has been held for {seconds:.0f} s by another process")
                time.sleep(0.05)
            # The previous holder may have removed the file with its directory: then lock the new file.
            try:
                same = path.stat().st_ino == os.fstat(file.fileno()).st_ino
            except FileNotFoundError:
                same = False
            if same:
                yield
                return
