"""A machine made of namespaces: a real systemd as its first process, cloud-init, and a disk.

It needs root. In continuous integration missing tools are installed, and `sudo` is used to become root; elsewhere the
tests say what is missing.
"""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import debian_packages
from tests.machines.files import REPORT, files

__all__ = ["Machine", "debian_base", "machine"]

_SUITE = "bookworm"
# `python3-cffi-backend` is named since debootstrap does not look for what provides a package's dependency.
_PACKAGES = ("systemd", "systemd-sysv", "cloud-init", "python3-cffi-backend", "iptables", "iproute2", "xfsprogs")
_TOOLS = {"debootstrap": "debootstrap", "losetup": "mount", "unshare": "util-linux", "nsenter": "util-linux"}
_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_CACHE = Path(__file__).parents[2] / ".dropbatch" / "cache"
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # administrators' programs, wherever the tests are started
_DISK_BYTES = 320 << 20  # the least that mkfs.xfs takes is 300 MiB
_SECONDS = 120

# What is written stays in memory, but the report. systemd's control groups are below one of this machine. Each boot has
# a network, and so a firewall, of its own. It ends by a signal: SIGHUP (129) to boot again, SIGINT (130) to turn off
# (reboot(2), in a PID namespace). What a dying process started dies with it; the loop device goes when nothing has it
# open any more.
_LIVE = """\
mount -t tmpfs tmpfs "$WORK"
cd "$WORK"
mkdir upper work root groups
mount -t cgroup2 cgroup2 groups
group="groups$(sed -n s/^0:://p /proc/self/cgroup)"
mkdir "$group/dropbatch-$$"
echo $$ > "$group/dropbatch-$$/cgroup.procs"
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=upper,workdir=work" root
cp -a "$FILES/." root/
mkdir "root$AT"
mount --bind "$REPORT" "root$AT"
if [ -n "$DISK" ]; then
    DISK=$(losetup --find --show "$DISK")
    exec 9< "$DISK"
    losetup --detach "$DISK"
fi
code=129
while [ $code = 129 ]; do
    code=0
    setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount --uts --ipc --cgroup --net \\
        sh -ec "$BOOT" || code=$?
done
echo $$ > "$group/cgroup.procs"
find "$group/dropbatch-$$" -depth -type d -exec rmdir {} +
exit $code
"""
_OFF = 130
_BOOT = """\
cd root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
if [ -n "$DISK" ]; then
    touch dev/sdf
    mount --bind "$DISK" dev/sdf
fi
mkdir -p old
pivot_root . old
umount -l old
exec env -i container=dropbatch PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --unit=multi-user.target
"""


def _as_root(*words: str | Path) -> list[str]:
    return [*(["sudo", "-n"] if os.geteuid() else []), "env", f"PATH={_PATH}", *map(str, words)]


def _run(*words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(_as_root(*words), capture_output=True, text=True, check=False, timeout=600)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}\n{(done.stdout + done.stderr)[-3000:]}")
    return done


def _require_tools() -> None:
    missing = [package for name, package in _TOOLS.items() if shutil.which(name, path=_PATH) is None]
    if not _KEYS.exists():
        missing.append("debian-archive-keyring")
    if missing and debian_packages.can_install():
        debian_packages.install(*missing)
    elif missing or (os.geteuid() and not debian_packages.in_ci()):
        message = f"machines cannot be booted: be root, on Linux, and install {', '.join(missing or _TOOLS)}"
        if debian_packages.in_ci():
            raise AssertionError(message)
        pytest.skip(message)


def debian_base() -> Path:
    """Return the folder of a Debian with systemd and cloud-init, made once and kept in the cache."""
    _require_tools()
    _CACHE.mkdir(parents=True, exist_ok=True)
    base = _CACHE / f"machine-{_SUITE}"
    with (_CACHE / "machine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not base.exists():
            new = base.with_suffix(".new")
            _run("rm", "-rf", new)
            _run("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", _SUITE, new)
            _run("rm", "-rf", *(new / each for each in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc")))
            _run("mv", new, base)
    return base


class Machine:
    """A machine that boots, and its logs."""

    def __init__(self, process: "subprocess.Popen[bytes]", report: Path) -> None:
        self._process = process
        self._report = report

    @property
    def events(self) -> list[str]:
        """The calls of stubs, over all boots."""
        return self._lines("events")

    @property
    def log(self) -> str:
        """Output of booting, cloud-init and the scripts over all boots, and the end of this boot's journal."""
        journal = self.call("journalctl", "--no-pager", "--lines=100", "--output=short-monotonic")
        return "\n".join([*self._lines("output"), *self._lines("cloud-init"), journal])

    def call(self, *words: str) -> str:
        """Return the output of a program on the machine; empty when the machine is off."""
        systemd = self._systemd()
        return _run("nsenter", "--all", f"--target={systemd}", *words, check=False).stdout if systemd else ""

    def state(self, unit: str) -> str:
        """Return the unit's state as `systemctl is-active` prints it."""
        return self.call("systemctl", "is-active", unit).strip()

    def boots(self) -> bool:
        """Wait until no unit is left to start, or the machine is off; return whether it is on."""
        end = time.monotonic() + _SECONDS
        while self._process.poll() is None:
            if self.call("systemctl", "is-system-running").strip() in {"running", "degraded"}:
                return True
            self._wait(end)
        assert self._process.returncode == _OFF, self.log
        return False

    def boots_again(self) -> bool:
        """Reboot, and wait as for the first boot."""
        before, end = self._systemd(), time.monotonic() + _SECONDS
        self.call("systemctl", "reboot")
        while self._systemd() in {before, None} and self._process.poll() is None:
            self._wait(end)
        return self.boots()

    def stop(self) -> None:
        """End all its processes and wait for their end."""
        if self._process.poll() is None:
            _run("kill", "-KILL", str(self._systemd() or self._process.pid), check=False)
        self._process.wait(timeout=_SECONDS)

    def _wait(self, end: float) -> None:
        if time.monotonic() > end:
            raise AssertionError(f"the machine takes {_SECONDS} s\n{self.log}")
        time.sleep(0.2)

    def _lines(self, name: str) -> list[str]:
        path = self._report / name
        return path.read_text("utf-8").splitlines() if path.exists() else []

    def _systemd(self) -> int | None:
        waiting = [self._process.pid]
        while waiting:
            each = Path(f"/proc/{waiting.pop()}")
            try:
                if (each / "comm").read_text().strip() == "systemd":
                    return int(each.name)
                waiting += map(int, (each / "task" / each.name / "children").read_text().split())
            except OSError:  # it ended meanwhile
                continue
        return None


@contextmanager
def machine(base: Path, folder: Path, user_data: str, others: Mapping[str, str], *, disk: bool) -> Iterator[Machine]:
    """Boot a machine with this user data.

    Args:
        base: an extracted Debian, which is not written to.
        folder: an empty one.
        user_data: as EC2 hands it to cloud-init.
        others: further files of the machine.
        disk: whether it has a blank disk at /dev/sdf.
    """
    tree, work, report = folder / "files", folder / "work", folder / "report"
    for each in (tree, work, report):
        each.mkdir()
    _write(tree, files(user_data, others))
    with ExitStack() as stack:
        blank = folder / "disk"
        if disk:
            with blank.open("wb") as file:
                file.truncate(_DISK_BYTES)
        values = {
            "BASE": base,
            "FILES": tree,
            "WORK": work,
            "REPORT": report,
            "AT": REPORT,
            "DISK": blank if disk else "",
            "BOOT": _BOOT,
        }
        names = [f"{name}={value}" for name, value in values.items()]
        words = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--fork", "--kill-child", "sh", "-euc", _LIVE)
        output = stack.enter_context((report / "output").open("w"))
        process = subprocess.Popen(_as_root(*names, *words), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        booted = Machine(process, report)
        stack.callback(booted.stop)
        yield booted


def _write(tree: Path, texts: Mapping[str, str | None]) -> None:
    for name, text in texts.items():
        path = tree / name.removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.symlink_to("/dev/null")
        else:
            path.write_text(text, "utf-8")
            path.chmod(0o755 if text.startswith("#!") else 0o644)
