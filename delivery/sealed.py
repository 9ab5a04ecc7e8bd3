"""Encrypt a plan with everything that applying it needs, to pass it from the planning job to the applying job.

Whoever may read a repository may read what its workflows keep; and a plan holds the whole state. OpenSSL, which every
runner has, encrypts. That it is the file of the job that planned is known by its SHA-256, which goes another way:
through the outputs of the job.
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from delivery.errors import DeliveryError

__all__ = ["ACTIONS", "KEY", "About", "seal", "sha256", "unseal"]

KEY = "PLAN_KEY"
"""Environment variable with the passphrase."""

ACTIONS = ("deploy", "destroy")
"""Actions that can be planned."""

_ABOUT = "about.json"
_FILES = "stack"
_KEY_LENGTH = 32
_OPENSSL = ["openssl", "enc", "-aes-256-cbc", "-md", "sha256", "-pbkdf2", "-iter", "600000", "-salt"]


@dataclass(frozen=True, kw_only=True)
class About:
    """Identity of a sealed plan, checked when it is unsealed."""

    environment: str
    commit: str
    action: str
    """One of `ACTIONS`."""


def seal(folder: Path, about: About, target: Path, env: Mapping[str, str]) -> str:
    """Encrypt a stack's folder, without the installed providers, and return the file's SHA-256."""
    files = _files(folder)
    body = {**vars(about), "files": {name: sha256(path) for name, path in files.items()}}
    with tempfile.TemporaryDirectory(prefix="dropbatch-plan-") as scratch:
        manifest, plain = Path(scratch) / _ABOUT, Path(scratch) / "plain.tar.gz"
        manifest.write_text(json.dumps(body, indent=1), encoding="utf-8")
        with tarfile.open(plain, "w:gz") as archive:
            archive.add(manifest, _ABOUT)
            for name, path in files.items():
                archive.add(path, f"{_FILES}/{name}", recursive=False)
        target.parent.mkdir(parents=True, exist_ok=True)
        _openssl(["-e"], plain, target, env)
    return sha256(target)


def unseal(source: Path, digest: str, about: About, folder: Path, env: Mapping[str, str]) -> None:
    """Decrypt a sealed plan and replace `folder` with it.

    Raises:
        DeliveryError: it is another file than was sealed, was sealed for something else, or is not whole.
    """
    if not source.is_file():
        raise DeliveryError(f"{source} does not exist: the job that plans keeps it for a week; run that job again")
    if sha256(source) != digest:
        raise DeliveryError(
            f"{source.name}: its SHA-256 is {sha256(source)}, that of the approved plan is {digest}: plan again"
        )
    with tempfile.TemporaryDirectory(prefix="dropbatch-plan-") as scratch:
        plain, tree = Path(scratch) / "plain.tar.gz", Path(scratch) / "tree"
        _openssl(["-d"], source, plain, env)
        with tarfile.open(plain, "r:gz") as archive:
            archive.extractall(tree, filter="data")
        body = json.loads((tree / _ABOUT).read_text(encoding="utf-8"))
        files = body.pop("files")
        if body != vars(about):
            raise DeliveryError(f"{source.name} is for {_words(body)}, not for {_words(vars(about))}: plan again")
        found = {name: sha256(path) for name, path in _files(tree / _FILES).items()}
        if found != files:
            differing = sorted(name for name in found.keys() | files.keys() if found.get(name) != files.get(name))
            raise DeliveryError(f"{source.name} is not whole: {', '.join(differing)}: plan again")
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(tree / _FILES, folder)


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> dict[str, Path]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: path for name, path in names.items() if not name.startswith(".terraform/")}


def _words(about: Mapping[str, str]) -> str:
    return f"{about['action']} of {about['environment']} at {about['commit'][:12]}"


def _openssl(what: list[str], source: Path, target: Path, env: Mapping[str, str]) -> None:
    if len(env.get(KEY, "")) < _KEY_LENGTH:
        raise DeliveryError(
            f"{KEY}: at least {_KEY_LENGTH} characters are needed, got {len(env.get(KEY, ''))}: store a secret of that "
            f"name, as in `openssl rand -hex 32 | gh secret set {KEY}`"
        )
    done = subprocess.run(
        [*_OPENSSL, *what, "-pass", f"env:{KEY}", "-in", str(source), "-out", str(target)],
        env={"PATH": env.get("PATH", ""), KEY: env[KEY]},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[:1] or ["no reason given"]
        raise DeliveryError(f"openssl cannot read {source.name}: {reason[0]}: was {KEY} changed since? plan again")
