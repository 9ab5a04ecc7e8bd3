"""The container engine on this machine, docker or podman, and what the sandbox left in it."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dropbatch.sandbox.errors import SandboxError

__all__ = ["Engine", "discard_containers", "find_engine"]

LABEL = "dropbatch.sandbox"
_SECONDS = 600


@dataclass(frozen=True)
class Engine:
    """A program that runs containers."""

    name: str

    def words(self, *words: str | Path) -> list[str]:
        """A command line. Podman is told to do without systemd, which is not everywhere."""
        plain = ["--cgroup-manager=cgroupfs", "--runtime=runc"] if self.name == "podman" and _root() else []
        return [self.name, *plain, *map(str, words)]

    def call(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command of the engine to its end."""
        return subprocess.run(
            self.words(*words), capture_output=True, text=True, check=False, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )

    @property
    def limits(self) -> list[str]:
        """Limits that podman would else copy from this machine, where root may have more than it can pass on."""
        return ["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"] if self.name == "podman" else []

    @property
    def log_driver(self) -> list[str]:
        """A driver that `logs --follow` can read everywhere."""
        return ["--log-driver=k8s-file"] if self.name == "podman" else ["--log-driver=json-file"]

    @property
    def build(self) -> list[str]:
        """Options of `build`."""
        return ["--isolation=chroot", *self.limits] if self.name == "podman" and _root() else []


def find_engine() -> Engine:
    """Docker if its daemon answers, else podman."""
    for name in ("docker", "podman"):
        if shutil.which(name) and not subprocess.run([name, "info"], capture_output=True, check=False).returncode:
            return Engine(name)
    raise SandboxError(
        "the container runner needs docker or podman, and neither works here: start one of them, or use the process "
        "runner (`dropbatch sandbox up --runner process`)"
    )


def discard_containers(directory: Path) -> int:
    """Remove every container that the sandbox in `directory` has started; how many there were."""
    note = directory / "engine"
    if not note.exists():
        return 0
    engine = Engine(note.read_text())
    found = engine.call("ps", "--all", "--quiet", "--filter", f"label={LABEL}={directory}").stdout.split()
    if found:
        engine.call("kill", "--signal=KILL", *found)  # podman's rm alone would give each ten seconds to end
        engine.call("rm", "--force", "--volumes", *found)
    note.unlink()
    return len(found)


def _root() -> bool:
    return os.geteuid() == 0
