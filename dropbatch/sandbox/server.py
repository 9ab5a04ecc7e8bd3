"""The sandbox's server process: ``python -m dropbatch.sandbox.server``.

`Sandbox.up` starts it with all settings in environment variables. MiniStack reads most of them on import, so this
module imports MiniStack only in `main`.
"""

import asyncio
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.batch.credential_endpoint import CredentialEndpoint
from dropbatch.sandbox.batch.events import put_on_event_bus
from dropbatch.sandbox.batch.runner import Runner
from dropbatch.sandbox.batch.runner_container import ContainerRunner
from dropbatch.sandbox.batch.runner_process import ProcessRunner
from dropbatch.sandbox.batch.runner_stub import StubRunner
from dropbatch.sandbox.batch.service import BatchService
from dropbatch.sandbox.control import Control
from dropbatch.sandbox.engine import Engine
from dropbatch.sandbox.grants import Recorder
from dropbatch.sandbox.layout import Layout
from dropbatch.sandbox.mail import MailBox
from dropbatch.sandbox.middleware import Middleware
from dropbatch.sandbox.processes import start_mark
from dropbatch.sandbox.wraps import authorized, install

__all__ = ["main"]

_GRACE_SECONDS = 1.0


class Groups:
    """Process groups of running jobs, recorded in files for the next start and sent to the reaper for a crash."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._reaper = subprocess.Popen(
            [sys.executable, "-m", "dropbatch.sandbox.reaper", str(os.getpgrp())],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def note(self, sign: str, group: int) -> None:
        """Record that a group began (``"+"``) or ended (``"-"``)."""
        path = self._directory / str(group)
        if sign == "+":
            path.write_text(start_mark(group) or "")
        else:
            path.unlink(missing_ok=True)
        self._tell(f"{sign}{group}")

    def close(self) -> None:
        """Tell the reaper that the server stopped cleanly."""
        self._tell("done")
        assert self._reaper.stdin is not None  # noqa: S101
        self._reaper.stdin.close()
        self._reaper.wait(timeout=10)

    def _tell(self, line: str) -> None:
        assert self._reaper.stdin is not None  # noqa: S101
        with self._lock:
            self._reaper.stdin.write(f"{line}\n")
            self._reaper.stdin.flush()


class _SaveErrors(logging.Handler):
    """Count failed saves of service states and S3 objects, which MiniStack only logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0
        for name in ("persistence", "s3"):
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.getMessage().startswith("Failed to persist"):
            self.count += 1


def main() -> None:
    """Serve until SIGTERM, then save."""
    layout = Layout(Path(os.environ["DROPBATCH_SANDBOX_DIR"]))
    region, port = os.environ["MINISTACK_REGION"], int(os.environ["GATEWAY_PORT"])
    app = emulator.module("app")
    save_errors = _SaveErrors()
    groups = Groups(layout.groups)
    credential_endpoint = CredentialEndpoint(f"http://127.0.0.1:{port}")
    batch = _install_batch(app, layout, region, _runner(layout, region, port, groups, credential_endpoint))
    grants = Recorder()
    install(batch, MailBox(layout.mail), grants)

    def shut_down() -> None:
        batch.stop()
        # Running functions would write to services whose state is being saved.
        emulator.module("core.lambda_runtime").reset()

    def begin() -> None:
        layout.unsaved.touch()
        batch.start()

    gate = Middleware(
        app.app,
        credential_endpoint=credential_endpoint,
        control=Control(batch, grants, os.environ["AWS_SECRET_ACCESS_KEY"]),
        status=lambda: {
            "pid": os.getpid(),
            "runner": os.environ.get("DROPBATCH_RUNNER", "process"),
            "jobs": batch.counts(),
        },
        on_first_request=begin,
        on_shutdown=shut_down,
    )
    asyncio.run(_serve(gate, port))
    groups.close()
    if not save_errors.count:
        layout.unsaved.unlink(missing_ok=True)


def _runner(layout: Layout, region: str, port: int, groups: Groups, credential_endpoint: CredentialEndpoint) -> Runner:
    """Return the runner that `up` selected."""
    url = f"http://127.0.0.1:{port}"
    if os.environ.get("DROPBATCH_RUNNER") == "container":
        return ContainerRunner(
            engine=Engine(os.environ["DROPBATCH_ENGINE"]),
            directory=layout.directory,
            images=layout.images,
            scratch=layout.scratch,
            credential_endpoint=credential_endpoint,
            endpoint_url=url,
            region=region,
        )
    if os.environ.get("DROPBATCH_RUNNER") == "stub":
        return StubRunner()
    return ProcessRunner(
        images=layout.images, scratch=layout.scratch, endpoint_url=url, region=region, on_group=groups.note
    )


def _install_batch(app: Any, layout: Layout, region: str, runner: Runner) -> BatchService:
    """Replace MiniStack's Batch, whose jobs succeed at once without running, by the sandbox's."""
    batch = BatchService(region=region, runner=runner, deliver=put_on_event_bus(region))
    app._loaded_modules["batch"] = batch
    app.SERVICE_HANDLERS["batch"] = authorized(batch)
    return batch


async def _serve(gate: Middleware, port: int) -> None:
    # Import late: MiniStack must patch hypercorn first.
    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.graceful_timeout = _GRACE_SECONDS
    config.keep_alive_timeout = 75
    await serve(gate, config)


if __name__ == "__main__":
    main()
