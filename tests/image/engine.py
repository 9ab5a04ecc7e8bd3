"""A container engine for tests, and base images for it.

On a developer's machine a message says what is missing. In continuous integration (``CI=true``) nothing may be missing:
either Docker exists, or Podman is installed as root on Debian or Ubuntu. Base images are built from a Debian mirror,
so no registry is needed; without `debootstrap`, as beside GitHub's Docker, they come from the registry.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import debian_packages
from tests.debian_packages import in_ci

__all__ = ["ROOT", "Engine", "MissingError", "find", "needed"]

PACKAGES = ("podman", "runc", "debootstrap")
SUITE = "bookworm"
BARE, PYTHON = "localhost/dropbatch-test-bare", "localhost/dropbatch-test-python"
BARE_IN_REGISTRY = f"docker.io/library/debian:{SUITE}-slim"
ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".dropbatch" / "cache"
DOCKERFILE = ROOT / "image" / "wordcount" / "Dockerfile"
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # administrators' programs, wherever the tests are started


class MissingError(Exception):
    """No engine was found; the message says what to install."""


@dataclass(frozen=True)
class Engine:
    """Docker, or Podman with settings for containers and virtual machines without systemd."""

    name: str

    def call(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the engine; an error shows the end of its output."""
        general = ["--cgroup-manager=cgroupfs", "--runtime=runc"] if self.name == "podman" else []
        done = subprocess.run(
            [self.name, *general, *map(str, words)],
            cwd=tempfile.gettempdir(),  # where podman may leave a file `oom`
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name} {' '.join(map(str, words))}\n{(done.stdout + done.stderr)[-3000:]}")
        return done

    def build(self, tag: str, context: Path, dockerfile: Path, arguments: dict[str, str]) -> None:
        """Build an image, with build arguments for its pip."""
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        self.call("build", "--tag", tag, "--file", dockerfile, *self.building, *options, context)

    @property
    def building(self) -> Sequence[str]:
        """Options of `build`."""
        podman = ["--isolation=chroot", "--layers=false", *self.limits]  # layers would remain when the image is gone
        return ["--network=host", *(podman if self.name == "podman" else [])]

    @property
    def limits(self) -> Sequence[str]:
        """Resource limits that Podman would otherwise copy from a host where root has more than it can pass on."""
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

    def base(self) -> tuple[str, str]:
        """Make two images: a small Debian, and one with Python and pip."""
        with _one_at_a_time():
            if any(self.call("image", "inspect", name, check=False).returncode for name in (BARE, PYTHON)):
                if _on_path("debootstrap"):
                    self._bootstrap()
                else:
                    self._pull()
        return BARE, PYTHON

    def _bootstrap(self) -> None:
        archive = CACHE / f"{SUITE}.tar"
        if not archive.exists():
            with tempfile.TemporaryDirectory(prefix="debootstrap-", dir=CACHE) as folder:
                debootstrap = ["debootstrap", "--variant=minbase", "--include=python3,python3-pip,ca-certificates"]
                _quietly(*debootstrap, SUITE, folder)
                _quietly("tar", "--one-file-system", "-C", folder, "-cf", f"{folder}.tar", ".")
            Path(f"{folder}.tar").rename(archive)
        self.call("import", archive, PYTHON)
        context = CACHE / "bare"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(
            f"FROM {PYTHON}\nRUN apt-get purge -y -q 'python3*' && apt-get autoremove -y -q && ! command -v python3\n"
        )
        self.build(BARE, context, context / "Dockerfile", {})

    def _pull(self) -> None:
        """Return the base that the example's Dockerfile pins, and a Debian of the same age."""
        (pinned,) = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
        for image, name in ((pinned, PYTHON), (BARE_IN_REGISTRY, BARE)):
            self.call("pull", image)
            self.call("tag", image, name)


@dataclass(frozen=True)
class Ended:
    """The result of a container."""

    code: int
    out: str
    err: str


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Several processes of `make test` may need containers first at the same time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _on_path(name: str) -> bool:
    return shutil.which(name, path=_PATH) is not None


def find() -> Engine:
    """Return a working engine.

    Raises:
        MissingError: there is none, and it cannot be installed here.
    """
    if _on_path("docker") and not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return Engine("docker")
    with _one_at_a_time():
        missing = [name for name in PACKAGES if not _on_path(name)]
        if missing and os.geteuid() == 0 and debian_packages.can_install():
            debian_packages.install(*missing)
        elif missing or os.geteuid():
            raise MissingError(
                f"containers cannot be tested: start Docker, or be root and install {', '.join(missing or PACKAGES)}"
            )
    return Engine("podman")


def _quietly(*words: str | Path) -> None:
    env = os.environ | {"PATH": _PATH, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=500)
    if done.returncode:
        raise AssertionError(f"{words[0]}\n{(done.stdout + done.stderr)[-3000:]}")


def needed() -> Engine:
    """Return a working engine; without one the test is skipped, or fails in continuous integration."""
    try:
        return find()
    except MissingError as error:
        if in_ci():
            raise
        pytest.skip(str(error))
