"""Puts the runtime together with an interpreter of its own: ``bundle.py PACKAGE SITE TARGET``.

Run while an image is built, by the Python that is to travel: 3.11 or newer, on glibc, with ``ldd`` and ``patchelf``.
The result works at `TARGET` on any Linux of the same architecture, musl or no C library at all included: interpreter,
its shared libraries and the dynamic loader are all below it, and the interpreter names them by absolute paths. The path
of libraries is part of the interpreter (RPATH), which comes before LD_LIBRARY_PATH: neither can an image change what
the runtime loads, nor does a program inherit anything.
"""

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

# Parts of the standard library that are programs, tests or graphics.
_LEFT_OUT = (
    *("test", "tests", "idlelib", "idle_test", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data", "venv"),
    *(
        "site-packages",
        "dist-packages",
        "__pycache__",
        "config-*",
        "_tkinter*",
        "*.a",
        "turtle.py",
        "EXTERNALLY-MANAGED",
    ),
)
# Of the 400 services that botocore describes, a run needs one; the others are ways to credentials.
_SERVICES = ("s3", "sts", "sso", "sso-oidc")

_RUN = """#!{python} -IS
import sys

sys.path[:0] = {paths!r}
sys.dont_write_bytecode = True

from dropbatch.runtime.main import entry

entry()
"""


def bundle(package: Path, site: Path, target: Path) -> None:
    """Write the bundle."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home, libraries = target / "python", target / "python" / "lib64"
    python = home / "bin" / "python3"
    python.parent.mkdir(parents=True)
    libraries.mkdir()
    shutil.copy(Path(sys.executable).resolve(), python)
    stdlib = Path(sysconfig.get_path("platstdlib"))
    _copy(stdlib, home / "lib" / version)
    if stdlib != (pure := Path(sysconfig.get_path("stdlib"))):
        _copy(pure, home / "lib" / version)
    _copy(package, target / "app")
    _copy(site, target / "site")
    _trim(target / "site" / "botocore" / "data")
    loader = _loader(python)
    for library in {loader, *_needed(_binaries(home / "lib", target / "site", target / "app", python))}:
        shutil.copy(library, libraries / library.name)
    _patch(python, libraries / loader.name, libraries)
    run = target / "dropbatch-run"
    run.write_text(_RUN.format(python=python, paths=[f"{target}/app", f"{target}/site"]))
    run.chmod(0o755)
    # Compiled once here: the root file system may be read-only, and times of files may change on the way.
    compileall.compile_dir(target, quiet=1, workers=0, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_LEFT_OUT), dirs_exist_ok=True)


def _trim(data: Path) -> None:
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in _SERVICES:
            shutil.rmtree(folder)


def _binaries(*places: Path) -> Iterator[Path]:
    for place in places:
        yield from [place] if place.is_file() else place.rglob("*.so*")


def _loader(python: Path) -> Path:
    """The dynamic loader that the interpreter names."""
    text = subprocess.run(["patchelf", "--print-interpreter", python], check=True, capture_output=True, text=True)
    return Path(text.stdout.strip())


def _needed(binaries: Iterable[Path]) -> set[Path]:
    """All shared libraries of some binaries, found as the loader finds them here."""
    needed = set()
    for binary in binaries:
        text = subprocess.run(["ldd", binary], check=False, capture_output=True, text=True).stdout
        needed |= {Path(found) for found in re.findall(r"=> (/\S+)", text)}
    return needed


def _patch(python: Path, loader: Path, libraries: Path) -> None:
    subprocess.run(
        ["patchelf", "--set-interpreter", loader, "--force-rpath", "--set-rpath", libraries, python], check=True
    )


if __name__ == "__main__":
    os.umask(0o022)
    bundle(*(Path(argument) for argument in sys.argv[1:4]))
