"""The `container` runner: runs jobs with docker or podman on the host's network, as Batch does.

An image pushed by a deploy is built from its snapshot when a job first needs it. Any other image is taken from the
engine, or pulled.
"""

import shutil
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from dropbatch.contract.batch_reasons import (
    CONTAINER_NOT_STARTED,
    IMAGE_NOT_PULLED,
    KILLED,
    OUT_OF_MEMORY,
    TASK_NOT_STARTED,
)
from dropbatch.sandbox.batch.container_options import container_options
from dropbatch.sandbox.batch.credential_endpoint import CredentialEndpoint
from dropbatch.sandbox.batch.definitions import requirements
from dropbatch.sandbox.batch.job_variables import job_variables
from dropbatch.sandbox.batch.joblog import JobLog, stream_name
from dropbatch.sandbox.batch.runner import Exit, StartError, Task
from dropbatch.sandbox.engine import LABEL, Engine

__all__ = ["ContainerRunner"]

_CHUNK = 64 * 1024
_LAST_WORDS = 600
_FETCH_SECONDS = 3600.0
_LOOK_SECONDS = 60.0
_LOG_SECONDS = 10.0


class ContainerRunner:
    """Run jobs in containers."""

    def __init__(
        self,
        *,
        engine: Engine,
        directory: Path,
        images: Path,
        scratch: Path,
        credential_endpoint: CredentialEndpoint,
        endpoint_url: str,
        region: str,
    ) -> None:
        """`directory` is the sandbox's; it becomes a label of the containers, by which they are removed later."""
        self._engine = engine
        self._directory = directory
        self._images = images
        self._scratch = scratch
        self._credential_endpoint = credential_endpoint
        self._endpoint_url = endpoint_url
        self._region = region
        self._building: dict[str, threading.Lock] = defaultdict(threading.Lock)
        (directory / "engine").write_text(engine.name)

    def log_stream(self, task: Task) -> str | None:
        """Return the log stream of a task."""
        return stream_name(task)

    def start(self, task: Task) -> "RunningContainer":
        """Start the job's container, or raise `StartError`."""
        image = self._image(str(task.container.get("image", "")))
        log = JobLog(task, self._region)
        role = self._credential_endpoint.open(task)
        name, scratch = f"dropbatch-{task.task_id}", self._scratch / task.task_id

        def clean_up() -> None:
            self._engine.call("rm", "--force", "--volumes", name)
            self._credential_endpoint.close(task)
            shutil.rmtree(scratch, ignore_errors=True)

        try:
            self._create(task, image, name, role, scratch)
            self._run("start", name)
        except BaseException:
            clean_up()
            raise
        return RunningContainer(self._engine, name, log, clean_up)

    def _create(self, task: Task, image: str, name: str, role: dict[str, str], scratch: Path) -> None:
        vcpus, memory_mib = requirements(task.container)
        variables = job_variables(task, endpoint_url=self._endpoint_url, region=self._region) | role
        scratch.mkdir(parents=True)
        self._run(
            *("create", f"--name={name}", f"--label={LABEL}={self._directory}", "--network=host", "--pull=never"),
            *self._engine.log_driver,
            *(each for each in self._engine.limits if not task.container.get("ulimits")),
            *container_options(task.container, memory_mib, vcpus, host=scratch / "host", init=self._engine.init),
            *(f"--env={key}={value}" for key, value in variables.items()),
            image,
            *(str(part) for part in task.container.get("command") or []),
        )

    def _run(self, *words: str) -> None:
        done = self._engine.call(*words)
        if done.returncode:
            said = " ".join(done.stderr.split())[-_LAST_WORDS:]
            raise StartError(
                status_reason=TASK_NOT_STARTED.example,
                reason=f"{CONTAINER_NOT_STARTED.start} Error response from daemon: {said}",
            )

    def _image(self, image: str) -> str:
        """Return the engine's name of the image."""
        tag = image.rpartition(":")[2]
        snapshot = self._images / tag
        built = f"localhost/dropbatch-sandbox:{tag}"
        with self._building[image]:
            if tag and "/" not in tag and (how := _how_to_build(snapshot)):
                if self._engine.call("image", "inspect", built).returncode:
                    self._fetch("build", f"--tag={built}", *how, *self._engine.build, str(snapshot))
                return built
            if self._engine.call("image", "inspect", image).returncode:
                self._fetch("pull", image)
        return image

    def _fetch(self, *words: str) -> None:
        done = self._engine.call(*words, seconds=_FETCH_SECONDS)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[-_LAST_WORDS:]
            fault = f"{IMAGE_NOT_PULLED.start} `{self._engine.name} {words[0]}` failed in the sandbox: {said}"
            raise StartError(reason=fault, status_reason=fault)


def _how_to_build(snapshot: Path) -> list[str]:
    """Return build options for a pipeline's Dockerfile, or for ours with its base image; empty without either."""
    for dockerfile in (snapshot / "opt" / "build" / "Dockerfile", snapshot / "opt" / "pipeline" / "Dockerfile"):
        if dockerfile.is_file():
            base = snapshot / "base"
            return [f"--file={dockerfile}", *([f"--build-arg=BASE={base.read_text()}"] if base.exists() else [])]
    return []


class RunningContainer:
    """A running container."""

    def __init__(self, engine: Engine, name: str, log: JobLog, clean_up: Callable[[], None]) -> None:
        self._engine = engine
        self._name = name
        self._log = log
        self._clean_up = clean_up
        self._killed = False
        self._output = subprocess.Popen(
            engine.words("logs", "--follow", name),
            env=engine.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"log-{name}", daemon=True)
        self._reader.start()

    def wait(self) -> Exit:
        """Wait for the end. A SIGKILL that was not requested came from the kernel, for lack of memory."""
        code = self._code()
        self._reader.join(timeout=_LOG_SECONDS)  # podman's `logs --follow` does not always end with the container
        self._output.kill()
        self._output.wait(timeout=_LOG_SECONDS)
        inspected = self._engine.call("inspect", "--format={{.State.OOMKilled}}", self._name).stdout.strip()
        self._clean_up()
        if inspected == "true" or (code == KILLED and not self._killed):
            return Exit(code=code, reason=OUT_OF_MEMORY.example)
        return Exit(code=code)

    def _code(self) -> int | None:
        """Return the exit code when the container has ended; poll too, in case the engine's `wait` misses the end."""
        while True:
            said = self._engine.call("wait", self._name, seconds=_LOOK_SECONDS)
            if said.returncode:
                said = self._engine.call("inspect", "--format={{.State.Status}} {{.State.ExitCode}}", self._name)
                state, _, code = said.stdout.strip().partition(" ")
                if state in {"running", "paused", "stopping"}:
                    continue
            else:
                code = said.stdout.strip()
            return int(code) if code.lstrip("-").isdigit() else None

    def signal_stop(self) -> None:
        """Send SIGTERM to the main process."""
        self._engine.call("kill", "--signal=TERM", self._name)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._killed = True
        self._engine.call("kill", "--signal=KILL", self._name)

    def _read(self) -> None:
        assert self._output.stdout is not None  # noqa: S101
        with self._output.stdout as pipe:
            while data := pipe.read1(_CHUNK):  # type: ignore[attr-defined]
                self._log.write(data)
        self._log.close()
