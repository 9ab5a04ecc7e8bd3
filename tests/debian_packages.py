"""Debian packages that tests need. They are installed in continuous integration, never on a person's machine."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["can_install", "in_ci", "install"]

_SECONDS = 600
# Each of the processes of `make test` has a temporary directory of its own.
_LOCK = Path(__file__).parents[1] / ".dropbatch" / "cache" / "apt.lock"


def in_ci() -> bool:
    """Return whether this is continuous integration, where a missing tool fails a test."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def can_install() -> bool:
    """Return whether packages may and can be installed here."""
    return in_ci() and shutil.which("apt-get") is not None and (os.geteuid() == 0 or shutil.which("sudo") is not None)


def install(*packages: str) -> None:
    """Install packages. Concurrent installations of other processes wait for each other."""
    sudo = ["sudo", "--preserve-env=DEBIAN_FRONTEND"] if os.geteuid() else []
    # Programs in sbin are found for every user.
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *packages]):
            # Wait for other installations on the machine too, such as unattended upgrades.
            command = [*sudo, "apt-get", "--option=DPkg::Lock::Timeout=300", *words]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=_SECONDS)
            if done.returncode:
                raise AssertionError(f"{' '.join(command)}\n{(done.stdout + done.stderr)[-3000:]}")
