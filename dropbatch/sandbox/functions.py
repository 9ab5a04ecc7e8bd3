"""The processes of Lambda functions, as MiniStack keeps them."""

import threading
import time
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.batch.errors import ClientError

__all__ = ["kill"]

_PAUSE_SECONDS = 0.005
_PATIENCE_SECONDS = 600.0


def kill(name: str, seconds: float = 0) -> None:
    """SIGKILL to a function's process `seconds` after it began to work; when none works, to the next that does.

    `name` is the function's name or the end of it, such as ``arrival``.
    """
    known = {function for _, _, function in emulator.service("lambda_svc")._functions._data}
    if not any(_means(name, each) for each in known):
        raise ClientError(
            f"kill-function: no function is named {name!r}; there are {', '.join(sorted(known)) or 'none'}"
        )
    threading.Thread(target=_kill_when_busy, args=(name, seconds), name=f"kill-{name}", daemon=True).start()


def _kill_when_busy(name: str, seconds: float) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for worker in _workers(name):
            process = worker._proc
            if worker.in_use and process is not None and process.poll() is None:
                time.sleep(seconds)
                process.kill()
                return
        time.sleep(_PAUSE_SECONDS)


def _workers(name: str) -> list[Any]:
    runtime = emulator.module("core.lambda_runtime")
    with runtime._lock:
        return [
            worker for key, workers in runtime._workers.items() if _means(name, key.split(":")[2]) for worker in workers
        ]


def _means(name: str, function: str) -> bool:
    return bool(name) and (function == name or function.endswith(f"-{name}"))
