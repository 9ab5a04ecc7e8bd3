"""Start and stop the sandbox."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dropbatch.sandbox.engine import discard_containers, find_engine, settings_for_server
from dropbatch.sandbox.errors import SandboxError, StartError
from dropbatch.sandbox.layout import Layout
from dropbatch.sandbox.moving import move_port
from dropbatch.sandbox.processes import alive, exclusive, kill_group, port_is_free, start_mark, wait_until

__all__ = ["Endpoint", "Progress", "Sandbox", "Status"]

Progress = Callable[[str], None]

_ACCESS_KEY_ID = "DROPBATCHSANDBOX"
_FIRST_PORT, _PORTS = 20_000, 8_000
_READY_SECONDS = 60.0
_SAVE_SECONDS = 30.0
_RUNNERS = ("process", "container", "stub")
_LOG_LINES_SHOWN = 15
_STATUS_PATH = "/_dropbatch/status"
_CONTROL_PATH = "/_dropbatch/control"


def _quiet(_: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Address and credentials of a running sandbox."""

    url: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Status:
    """State of a sandbox."""

    running: bool
    directory: Path
    url: str | None = None
    pid: int | None = None
    runner: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """Jobs by state."""


class Sandbox:
    """The sandbox of one checkout."""

    def __init__(self, directory: Path, region: str) -> None:
        self.layout = Layout(directory)
        self.region = region
        self._runner = "process"

    @classmethod
    def at(cls, project_root: Path) -> "Sandbox":
        """Return the sandbox of the checkout at `project_root`, in the region of ``environments/sandbox.toml``."""
        root = project_root.resolve()
        try:
            document = tomllib.loads((root / "environments" / "sandbox.toml").read_text())
        except FileNotFoundError:
            document = {}
        except tomllib.TOMLDecodeError as error:
            raise SandboxError(f"environments/sandbox.toml is not TOML: {error}") from error
        region = document.get("environment", {}).get("region", "us-east-1")
        return cls(root / ".dropbatch" / "sandbox", str(region))

    def up(self, progress: Progress = _quiet, *, runner: str | None = None) -> Endpoint:
        """Start the sandbox unless it runs, and return its endpoint.

        `runner` is ``process``, ``container`` or ``stub``; the default is DROPBATCH_SANDBOX_RUNNER, else ``process``.
        """
        with self._locked(progress):
            self._runner = runner or os.environ.get("DROPBATCH_SANDBOX_RUNNER") or "process"
            if self._runner not in _RUNNERS:
                raise SandboxError(f"runner: one of {', '.join(_RUNNERS)}, got {self._runner!r}")
            if not self._answers(progress):
                if find_spec("ministack") is None:
                    raise StartError(
                        "the sandbox is not part of this installation: `pipx inject dropbatch 'dropbatch[sandbox]'`, "
                        "or in a checkout `make demo`"
                    )
                self._clear_away(progress)
                self._start(progress)
            elif runner and (self._ask() or {}).get("runner") != runner:
                raise SandboxError(f"the sandbox runs, but not with the {runner} runner: stop it before, with `down`")
            return self._endpoint()

    def down(self, progress: Progress = _quiet) -> None:
        """Save the sandbox's state, stop it and end all its processes."""
        if not self.layout.directory.exists():
            return
        with self._locked(progress):
            self._stop(progress)

    def status(self) -> Status:
        """Return whether the sandbox runs, its address, and its jobs by state."""
        answer = self._ask()
        if answer is None:
            return Status(running=False, directory=self.layout.directory)
        return Status(
            running=True,
            directory=self.layout.directory,
            url=self._url(),
            pid=answer["pid"],
            runner=answer["runner"],
            counts=answer["jobs"],
        )

    def environ(self) -> dict[str, str]:
        """Return environment variables that direct AWS clients and Terraform to the running sandbox."""
        if self._ask() is None:
            raise SandboxError("the sandbox is not running; start it with `dropbatch sandbox up`")
        endpoint = self._endpoint()
        return {
            "AWS_ENDPOINT_URL": endpoint.url,
            "AWS_ACCESS_KEY_ID": endpoint.access_key_id,
            "AWS_SECRET_ACCESS_KEY": endpoint.secret_access_key,
            "AWS_REGION": endpoint.region,
            "AWS_DEFAULT_REGION": endpoint.region,
            "AWS_CONFIG_FILE": str(self.layout.aws_config),
            "DROPBATCH_SANDBOX_DIR": str(self.layout.directory),
        }

    def control(self, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the control endpoint (`dropbatch.sandbox.control`) with `request`; None reads its state."""
        if self._ask() is None:
            raise SandboxError("the sandbox is not running; start it with `dropbatch sandbox up`")
        asked = urllib.request.Request(  # noqa: S310 -- it is always http on this machine
            self._url() + _CONTROL_PATH,
            data=None if request is None else json.dumps(request).encode(),
            headers={"Authorization": f"Bearer {self.layout.secret.read_text()}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(asked, timeout=30) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise SandboxError(json.load(error)["message"]) from None
        return answer

    def empty(self, progress: Progress = _quiet) -> None:
        """Restart the sandbox without its state, with the same runner."""
        runner = self.status().runner
        with self._locked(progress):
            self._stop(progress)
            self.layout.discard_state()
            self.layout.unsaved.unlink(missing_ok=True)
        self.up(progress, runner=runner)

    def destroy_state(self, progress: Progress = _quiet) -> None:
        """Stop the sandbox and delete its directory."""
        if not self.layout.directory.exists():
            return
        with self._locked(progress):
            self._stop(progress)
            shutil.rmtree(self.layout.directory)

    # --- start -----------------------------------------------------------------------------------------------------

    def _start(self, progress: Progress) -> None:
        layout = self.layout
        self._prepare(progress)
        port = int(layout.port.read_text())
        progress(f"starting the sandbox on 127.0.0.1:{port}")
        process: subprocess.Popen[bytes] | None = None
        try:
            process = self._spawn(port)
            mark = start_mark(process.pid) or ""
            layout.server.write_text(json.dumps({"pid": process.pid, "mark": mark}))
            self._wait_until_ready(process, progress)
        except BaseException:
            if process is not None:
                kill_group(process.pid)
                process.wait()
            self._end_groups()
            layout.discard_running()
            layout.unsaved.unlink(missing_ok=True)
            raise

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        if self.layout.log.exists():
            self.layout.log.replace(self.layout.previous_log)
        with self.layout.log.open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dropbatch.sandbox.server"],
                # The working directory makes the package importable: the Lambda functions would inherit PYTHONPATH.
                cwd=Path(__file__).parents[2],
                env=self._server_environment(port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _prepare(self, progress: Progress) -> None:
        layout = self.layout
        layout.directory.chmod(0o700)  # the state contains keys
        layout.discard_running()
        before = layout.region.read_text() if layout.region.exists() else self.region
        if before != self.region:
            progress(f"the region has changed from {before} to {self.region}: the state of the old one was discarded")
            layout.discard_state()
        layout.region.write_text(self.region)
        for path in (layout.tmp, layout.home, layout.scratch, layout.groups, layout.images, layout.mail):
            path.mkdir(parents=True, exist_ok=True)
        if not layout.secret.exists():
            layout.secret.touch(mode=0o600)
            layout.secret.write_text(secrets.token_urlsafe(30))
        layout.aws_config.write_text(f"[default]\nregion = {self.region}\ns3 =\n    addressing_style = path\n")
        self._choose_port(progress)

    def _choose_port(self, progress: Progress) -> None:
        layout = self.layout
        kept = int(layout.port.read_text()) if layout.port.exists() else None
        if kept is not None and port_is_free(kept):
            return
        # Each checkout starts its search at a different port, below the range of ephemeral ports.
        first = zlib.crc32(str(layout.directory).encode()) % _PORTS
        candidates = (_FIRST_PORT + (first + step) % _PORTS for step in range(_PORTS))
        port = next((each for each in candidates if port_is_free(each)), None)
        if port is None:
            raise StartError(f"no free port between {_FIRST_PORT} and {_FIRST_PORT + _PORTS}")
        if kept is not None:
            progress(f"port {kept} is taken by another program; moving to {port}")
            move_port(layout, kept, port)
        layout.port.write_text(str(port))

    def _server_environment(self, port: int) -> dict[str, str]:
        """Return the server's environment, without the user's AWS settings, proxies and Python paths."""
        layout = self.layout
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
        kept["DROPBATCH_RUNNER"] = self._runner
        if self._runner == "container":
            kept |= {"DROPBATCH_ENGINE": find_engine().name, **settings_for_server()}
        return kept | {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(layout.home),
            "LANG": "C.UTF-8",
            "TMPDIR": str(layout.tmp),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "DROPBATCH_SANDBOX_DIR": str(layout.directory),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": self.region,
            "AUTH": "true",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(layout.state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(layout.objects),
            "AWS_ACCESS_KEY_ID": _ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": layout.secret.read_text(),
            "AWS_EC2_METADATA_DISABLED": "true",
            # Disable listeners and containers of MiniStack that the sandbox does not use.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{layout.directory}/no-docker.sock",
        }

    def _wait_until_ready(self, process: subprocess.Popen[bytes], progress: Progress) -> None:
        begun = told = time.monotonic()
        while self._ask() is None:
            now = time.monotonic()
            if process.poll() is not None:
                raise StartError(f"the sandbox's server ended with status {process.returncode}\n{self._last_lines()}")
            if now - begun > _READY_SECONDS:
                raise StartError(f"the sandbox did not answer within {_READY_SECONDS:.0f} s\n{self._last_lines()}")
            if now - told > 2:
                progress(f"still starting: {now - begun:.0f} s")
                told = now
            time.sleep(0.03)

    def _last_lines(self) -> str:
        with contextlib.suppress(OSError):
            lines = self.layout.log.read_text(errors="replace").splitlines()
            return "\n".join([f"last lines of {self.layout.log}:", *lines[-_LOG_LINES_SHOWN:]])
        return ""

    # --- stop ------------------------------------------------------------------------------------------------------

    def _stop(self, progress: Progress) -> None:
        server = self._server()
        if server is not None:
            pid, mark = server
            progress("stopping the sandbox, saving its state")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            if not wait_until(lambda: not alive(pid, mark), _SAVE_SECONDS):
                progress(f"the server did not end within {_SAVE_SECONDS:.0f} s and was killed")
            kill_group(pid)
            wait_until(lambda: not alive(pid, mark), 5)
            if self.layout.unsaved.exists():
                progress(f"its state could not be saved (the reason is in {self.layout.log}): the next start is empty")
        self._end_groups()
        self.layout.discard_running()

    def _clear_away(self, progress: Progress) -> None:
        """Clean up after a crash: end remaining processes and discard unsaved state."""
        server = self._server()
        if server is not None:
            progress(f"the server (process {server[0]}) does not answer and is killed")
            kill_group(server[0])
        self._end_groups()
        if self.layout.unsaved.exists():
            self.layout.discard_state()
            self.layout.unsaved.unlink()
            progress(
                "the sandbox did not end cleanly last time: its state, and Terraform's local state of it, "
                "were discarded; it starts empty"
            )

    def _end_groups(self) -> None:
        discard_containers(self.layout.directory)
        for path in self.layout.groups.glob("*"):
            with contextlib.suppress(OSError, ValueError):
                # The start mark protects another process that has the same id by now.
                if start_mark(int(path.name)) in {path.read_text(), None}:
                    kill_group(int(path.name))
            path.unlink(missing_ok=True)

    # --- the running server ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self, progress: Progress) -> Iterator[None]:
        told = "waiting: another command is starting or stopping the sandbox"
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(exclusive(self.layout.lock, lambda: progress(told)))
            except TimeoutError as error:
                raise SandboxError(f"another command does not let go of the sandbox, end it: {error}") from None
            yield

    def _server(self) -> tuple[int, str] | None:
        """Return process id and start mark of the server, if it is alive."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            data = json.loads(self.layout.server.read_text())
            pid, mark = int(data["pid"]), str(data["mark"])
            if alive(pid, mark):
                return pid, mark
        return None

    def _ask(self) -> dict[str, Any] | None:
        """Return the server's status; None if it does not run or belongs to another checkout."""
        server = self._server()
        if server is None:
            return None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self._url() + _STATUS_PATH, timeout=5) as response:
                answer: dict[str, Any] = json.load(response)
        except (OSError, ValueError):
            return None
        return answer if answer.get("pid") == server[0] else None

    def _answers(self, progress: Progress) -> bool:
        """Return whether the server runs and answers; wait for a busy one."""
        if self._ask() is not None:
            return True
        if self._server() is None:
            return False
        progress("the server is busy; waiting for its answer")
        return wait_until(lambda: self._server() is None or self._ask() is not None, _READY_SECONDS) and (
            self._ask() is not None
        )

    def _url(self) -> str:
        return f"http://127.0.0.1:{self.layout.port.read_text()}"

    def _endpoint(self) -> Endpoint:
        return Endpoint(
            url=self._url(),
            region=self.region,
            access_key_id=_ACCESS_KEY_ID,
            secret_access_key=self.layout.secret.read_text(),
        )
