"""A container engine for tests, and base images for it without any registry.

On a developer's machine this says what is missing. In continuous integration (``CI=true``, root, Debian or Ubuntu) it
installs the engine itself.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["Engine", "MissingError", "find", "in_ci", "needed"]

PACKAGES = ("podman", "runc", "debootstrap")
SUITE = "bookworm"
BARE, PYTHON = "localhost/dropbatch-test-bare", "localhost/dropbatch-test-python"


class MissingError(Exception):
    """There is no engine; the message says what to install."""


def in_ci() -> bool:
    """Whether this is continuous integration, where a missing engine is a failure."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


@dataclass(frozen=True)
class Engine:
    """Docker, or podman as it works inside other containers and virtual machines without systemd."""

    name: str

    def call(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the engine; an error shows the end of its output."""
        general = ["--cgroup-manager=cgroupfs", "--runtime=runc"] if self.name == "podman" else []
        done = subprocess.run(
            [self.name, *general, *map(str, words)], capture_output=True, text=True, check=False, timeout=600
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name} {' '.join(map(str, words))}\n{(done.stdout + done.stderr)[-3000:]}")
        return done

    def build(self, tag: str, context: Path, dockerfile: Path, arguments: dict[str, str], wheels: Path) -> None:
        """Build an image; its pip finds packages in a folder of wheels."""
        special = ["--isolation=chroot", *self.limits, f"--volume={wheels}:/wheels:ro"]
        given = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"} | arguments
        if self.name == "docker":
            shutil.copytree(wheels, context / "opt" / "wheels")
            special, given["PIP_FIND_LINKS"] = [], "/tmp/opt/wheels"
        options = [f"--build-arg={name}={value}" for name, value in given.items()]
        self.call("build", "--tag", tag, "--file", dockerfile, *special, *options, context)

    @property
    def limits(self) -> Sequence[str]:
        """Limits that podman would else copy from a host where root may have more than it may pass on."""
        return ["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"] if self.name == "podman" else []

    def run(self, image: str, *command: str, environ: dict[str, str], options: Sequence[str] = ()) -> "Ended":
        """Run a container as AWS Batch does: our user, read-only root, a volume at /tmp, the host's network."""
        variables = [f"--env={name}={value}" for name, value in environ.items()]
        done = self.call(
            *("run", "--rm", "--init=false", "--network=host", "--read-only", "--user=10001:10001"),
            *("--volume=/tmp", *self.limits, *variables, *options, image, *command),
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def base(self, cache: Path) -> tuple[str, str]:
        """Two images: a small Debian, and one with Python and pip."""
        if self.call("image", "inspect", PYTHON, check=False).returncode == 0:
            return BARE, PYTHON
        archive = cache / f"{SUITE}.tar"
        if not archive.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="debootstrap-", dir=cache) as folder:
                debootstrap = ["debootstrap", "--variant=minbase", "--include=python3,python3-pip,ca-certificates"]
                self._quietly(*debootstrap, SUITE, folder)
                self._quietly("tar", "--one-file-system", "-C", folder, "-cf", f"{folder}.tar", ".")
            Path(f"{folder}.tar").rename(archive)
        self.call("import", archive, PYTHON)
        context = cache / "bare"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(
            f"FROM {PYTHON}\nRUN apt-get purge -y -q 'python3*' && apt-get autoremove -y -q && ! command -v python3\n"
        )
        special = ["--isolation=chroot", *self.limits] if self.name == "podman" else []
        self.call("build", "--tag", BARE, *special, context)
        return BARE, PYTHON

    @staticmethod
    def _quietly(*words: str | Path) -> None:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=500)
        if done.returncode:
            raise AssertionError(f"{words[0]}\n{(done.stdout + done.stderr)[-3000:]}")


@dataclass(frozen=True)
class Ended:
    """How a container ended."""

    code: int
    out: str
    err: str


def find() -> Engine:
    """An engine that works.

    Raises:
        MissingError: there is none, and this is not continuous integration.
    """
    if shutil.which("docker") and not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return Engine("docker")
    missing = [name for name in PACKAGES if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing and in_ci() and os.geteuid() == 0 and shutil.which("apt-get"):
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *missing]):
            subprocess.run(["apt-get", *words], check=True, env=env, stdout=subprocess.DEVNULL, timeout=500)
    elif missing or os.geteuid():
        raise MissingError(
            f"containers cannot be tested: start Docker, or be root and install {', '.join(missing or PACKAGES)}"
        )
    return Engine("podman")


def needed() -> Engine:
    """An engine that works; without one the test is skipped, in continuous integration it fails."""
    try:
        return find()
    except MissingError as error:
        if in_ci():
            raise
        pytest.skip(str(error))
