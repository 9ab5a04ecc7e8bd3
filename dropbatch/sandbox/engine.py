"""The container engine of this machine, docker or podman, and the sandbox's containers in it."""

import json
import os
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dropbatch.sandbox.errors import SandboxError

__all__ = ["BUILD_OPTIONS", "Engine", "discard_containers", "find_engine", "settings_for_server"]

BUILD_OPTIONS = "DROPBATCH_BUILD_OPTIONS"
"""Variable with more options of the engine's `build`, as words of a shell."""

LABEL = "dropbatch.sandbox"
_SECONDS = 120.0
_TIMED_OUT = 124  # exit code of timeout(1)
_INIT_FOLDERS = ("/usr/libexec/podman", "/usr/local/libexec/podman", "/usr/lib/podman", "/usr/local/lib/podman")
_ENVIRONMENT = "DROPBATCH_ENGINE_ENVIRONMENT"
_OF_THE_USER = (
    *("HOME", "USER", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS"),
    *("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "CONTAINER_HOST"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""By which an engine finds its daemon, its images and the network. The sandbox's server has none of them itself."""
_INFO_SECONDS = 30.0


@dataclass(frozen=True)
class Engine:
    """The command line of docker or podman."""

    name: str

    def words(self, *words: str | Path) -> list[str]:
        """Return a command line. Podman runs without systemd, which not every machine has."""
        plain = ["--cgroup-manager=cgroupfs", "--runtime=runc"] if self.name == "podman" and _root() else []
        return [self.name, *plain, *map(str, words)]

    @property
    def environ(self) -> dict[str, str]:
        """Return the engine's environment: the user's, in the sandbox's server too."""
        told = os.environ.get(_ENVIRONMENT)
        return dict(os.environ) if told is None else {"PATH": os.environ["PATH"], **json.loads(told)}

    def call(self, *words: str | Path, seconds: float = _SECONDS) -> subprocess.CompletedProcess[str]:
        """Run a command of the engine; after the time limit it fails, with the reason in `stderr`."""
        command = self.words(*words)
        try:
            return subprocess.run(
                command,
                env=self.environ,
                cwd=tempfile.gettempdir(),  # podman creates a file `oom` here for a container that ran out of memory
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            said = f"`{self.name} {words[0]}` did not end within {seconds:.0f} s"
            return subprocess.CompletedProcess(command, _TIMED_OUT, stdout="", stderr=said)

    @property
    def limits(self) -> list[str]:
        """Return resource limits; otherwise podman copies root's, which can exceed what it may set."""
        return ["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"] if self.name == "podman" else []

    @property
    def log_driver(self) -> list[str]:
        """Return a log driver that `logs --follow` can read on every machine."""
        return ["--log-driver=k8s-file"] if self.name == "podman" else ["--log-driver=json-file"]

    @property
    def init(self) -> list[str]:
        """Return options for an init process that forwards signals and reaps children; podman needs its path."""
        if self.name != "podman":
            return ["--init"]
        if any(Path(folder, "catatonit").exists() for folder in _INIT_FOLDERS):
            return ["--init"]
        other = shutil.which("tini") or shutil.which("dumb-init")
        return ["--init", f"--init-path={other}"] if other else []

    @property
    def build(self) -> list[str]:
        """Return options of `build`: those needed on this machine, then the user's (`BUILD_OPTIONS`)."""
        plain = ["--isolation=chroot", *self.limits] if self.name == "podman" and _root() else []
        return [*plain, *_build_options()]


def settings_for_server() -> dict[str, str]:
    """Return the variables of this process that the sandbox's server needs.

    Raises:
        SandboxError: the options of `build` cannot be split into words.
    """
    _build_options()
    named = {name: os.environ[name] for name in _OF_THE_USER if name in os.environ}
    return {_ENVIRONMENT: json.dumps(named), BUILD_OPTIONS: os.environ.get(BUILD_OPTIONS, "")}


def _build_options() -> list[str]:
    try:
        return shlex.split(os.environ.get(BUILD_OPTIONS, ""))
    except ValueError as error:
        raise SandboxError(f"{BUILD_OPTIONS} must be words as in a shell: {error}") from None


def find_engine() -> Engine:
    """Return docker if its daemon answers, else podman."""
    for name in ("docker", "podman"):
        if shutil.which(name) and _works(name):
            return Engine(name)
    raise SandboxError(
        "the container runner needs docker or podman, and neither works here: start one of them, or use the process "
        "runner (`dropbatch sandbox up --runner process`)"
    )


def discard_containers(directory: Path) -> int:
    """Remove all containers started by the sandbox in `directory`; return their number."""
    note = directory / "engine"
    if not note.exists():
        return 0
    engine = Engine(note.read_text())
    found = engine.call("ps", "--all", "--quiet", "--filter", f"label={LABEL}={directory}").stdout.split()
    if found:
        engine.call("kill", "--signal=KILL", *found)  # podman's rm alone would give each container ten seconds to end
        engine.call("rm", "--force", "--volumes", *found)
    note.unlink()
    return len(found)


def _works(name: str) -> bool:
    try:
        return not subprocess.run([name, "info"], capture_output=True, check=False, timeout=_INFO_SECONDS).returncode
    except subprocess.TimeoutExpired:  # the daemon hangs
        return False


def _root() -> bool:
    return os.geteuid() == 0
