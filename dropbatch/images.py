"""Build and push images; an image's tag contains a digest of its build context.

The build context is the pipeline's folder (``opt/pipeline/``) and the parts of this package that run beside the program
(``opt/dropbatch/dropbatch/``). Terraform runs ``python3 -m dropbatch.images push …`` when the tag is new.
"""

import argparse
import base64
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from dropbatch.commit import commit_of
from dropbatch.contract.job_environment import COMMIT_FILE

__all__ = [
    "ARCHIVES",
    "PushError",
    "builds",
    "cannot_build",
    "context_files",
    "digest",
    "engine",
    "main",
    "push",
    "save",
]

ARCHIVES = "DROPBATCH_IMAGES"
"""Variable with a folder of prebuilt images (``<tag>.tar``), so that the next environment gets exactly the images that
were tested in the previous one."""

PIPELINE_FOLDER = "opt/pipeline"
PACKAGE_FOLDER = "opt/dropbatch/dropbatch"
BUILD_FOLDER = "opt/build"

_PACKAGE_PARTS = ("__init__.py", "contract", "runtime")
_BASE_PARTS = ("Dockerfile", "bundle.py", "requirements.txt", "checksums.txt", "tools.txt")
_DIGITS = 24
_INFO_SECONDS = 30.0
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Architectures as Linux names them, in ``uname -m`` and in the names of emulators."""


class PushError(Exception):
    """An image could not be pushed. The message is one line and names the fix."""


def context_files(root: Path, pipeline_dir: Path | None, *, base: str = "") -> dict[str, Path]:
    """Return the files of a build context, by their name in it.

    Args:
        root: the project, where the package ``dropbatch`` is.
        pipeline_dir: the pipeline's folder; optional when `base` is given.
        base: an existing image to build on, if any.
    """
    own = _files(pipeline_dir) if pipeline_dir is not None else ()
    files = {f"{PIPELINE_FOLDER}/{name}": path for name, path in own}
    if base:
        files |= {f"{BUILD_FOLDER}/{name}": root / "dropbatch" / "base" / name for name in _BASE_PARTS}
    for part in _PACKAGE_PARTS:
        source = root / "dropbatch" / part
        if source.is_dir():
            files |= {f"{PACKAGE_FOLDER}/{part}/{name}": path for name, path in _files(source)}
        else:
            files[f"{PACKAGE_FOLDER}/{part}"] = source
    return files


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files below a folder with their relative names, except tests, caches and hidden files."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        test = path.name.startswith("test_") and path.suffix == ".py"
        if path.is_file() and not test and not any(part == "__pycache__" or part.startswith(".") for part in parts):
            yield "/".join(parts), path


def digest(files: Mapping[str, Path], *, base: str = "") -> str:
    """Return 24 hex digits of the SHA-256 of names, contents and executable bits of the files, and of `base`."""
    total = hashlib.sha256(f"{base}\0\0".encode() if base else b"")
    for name in sorted(files):
        content = hashlib.sha256(files[name].read_bytes()).hexdigest()
        total.update(f"{name}\0{'x' if _executable(files[name]) else '-'}\0{content}\n".encode())
    return total.hexdigest()[:_DIGITS]


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def push(
    root: Path,
    directory: str,
    tag: str,
    repository: str,
    env: Mapping[str, str],
    *,
    base: str = "",
    architecture: str = "amd64",
) -> str:
    """Build and push the image `repository:tag`, unless it exists.

    If ``DROPBATCH_SANDBOX_DIR`` is set, copy the build context to the sandbox, which runs it without a container.

    Returns:
        A message about what was done.

    Raises:
        PushError: the files do not match the tag, there is no container engine, or the build or push failed.
    """
    files = _context(root, directory, tag, base)
    sandbox = env.get("DROPBATCH_SANDBOX_DIR")
    if sandbox:
        return _snapshot(files, Path(sandbox) / "images" / tag, base)
    archive = Path(env[ARCHIVES]) / f"{tag}.tar" if env.get(ARCHIVES) else None

    def make(builder: str, image: str) -> None:
        if archive is not None and archive.is_file():
            _run([builder, "load", "--input", str(archive)])
            _run([builder, "tag", _local(tag), image])
        else:
            _build(builder, files, image, base, architecture)

    return _push_to_ecr(make, tag, repository)


def save(root: Path, directory: str, tag: str, folder: Path, *, base: str = "", architecture: str = "amd64") -> Path:
    """Build an image and save it as an archive in `folder`, from which `push` loads it; return the archive's path.

    Raises:
        PushError: the files do not match the tag, there is no container engine, or the build failed.
    """
    files = _context(root, directory, tag, base)
    builder, archive = engine(), folder / f"{tag}.tar"
    folder.mkdir(parents=True, exist_ok=True)
    _build(builder, files, _local(tag), base, architecture)
    archive.unlink(missing_ok=True)
    _run([builder, "save", "--output", str(archive), _local(tag)])
    return archive


def _local(tag: str) -> str:
    """Return the local name of an image. With the host ``localhost``, Podman does not search other registries."""
    return f"localhost/dropbatch:{tag}"


def _context(root: Path, directory: str, tag: str, base: str) -> dict[str, Path]:
    files = context_files(root, root / directory if directory else None, base=base)
    if not tag.endswith(f"-{digest(files, base=base)}"):
        raise PushError(
            f"{directory or 'the runtime'} has changed since tag {tag} was computed: synthesize again, then deploy"
        )
    return files


def _snapshot(files: Mapping[str, Path], target: Path, base: str) -> str:
    if target.is_dir():
        return f"the sandbox has {target.name} already"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as scratch:
        tree = Path(scratch) / "tree"
        _lay_out(files, tree)
        if base:
            (tree / "base").write_text(base)  # used if the image is built later
        try:
            tree.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            return f"the sandbox has {target.name} already"  # another process copied the same content
    return f"the sandbox has {target.name} now"


def _lay_out(files: Mapping[str, Path], folder: Path) -> None:
    """Write a build context, with the same file modes on every machine: readable by all, writable by the owner."""
    for name, source in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if _executable(source) else 0o644)
    # The commit is not part of the digest: the same content in another commit is the same image.
    if commit := commit_of(list(files.values())):
        note = folder / PACKAGE_FOLDER / COMMIT_FILE
        note.write_text(commit)
        note.chmod(0o644)
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)


def _push_to_ecr(make: Callable[[str, str], None], tag: str, repository: str) -> str:
    host, _, name = repository.partition("/")
    match host.split("."):
        case [account, "dkr", "ecr", region, "amazonaws", *_]:
            pass
        case _:
            raise PushError(f"repository must be <account>.dkr.ecr.<region>.amazonaws.com/<name>, got {repository!r}")
    import boto3  # slow  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        ecr = boto3.client("ecr", region_name=region)
        try:
            ecr.describe_images(registryId=account, repositoryName=name, imageIds=[{"imageTag": tag}])
        except ecr.exceptions.ImageNotFoundException:
            pass
        else:
            return f"{repository}:{tag} exists already"
        builder = engine()
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    except (BotoCoreError, ClientError) as error:
        raise PushError(f"the registry {host} cannot be used: {error}") from error
    user, _, password = base64.b64decode(token).decode().partition(":")
    _run([builder, "login", "--username", user, "--password-stdin", host], stdin=password)
    image = f"{repository}:{tag}"
    make(builder, image)
    _run([builder, "push", image])
    return f"pushed {image}"


def builds(builder: str, architecture: str) -> bool:
    """Return whether the engine can build for an architecture, natively or emulated; True when that is unknown.

    Docker's Buildx lists all platforms (https://docs.docker.com/build/building/multi-platform/#qemu). Podman lists
    the emulated ones in ``host.emulatedArchitectures`` unless there are none, and older versions have no such field:
    https://github.com/containers/podman/blob/main/libpod/define/info.go
    """
    machine = _MACHINES[architecture]
    if platform.machine() in (machine, architecture):
        return True
    listed = _platforms(builder)
    if listed is None:
        return True
    return architecture in listed or (builder == "podman" and any(_BINFMT.glob(f"*{machine}*")))


def _platforms(builder: str) -> set[str] | None:
    """Return the architectures that an engine reports; None if it reports none, like Docker without Buildx."""
    command = [builder, "info", "--format", "json"] if builder == "podman" else [builder, "buildx", "inspect"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INFO_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode or not done.stdout.strip():
        return None
    if builder != "podman":
        lines = re.findall(r"^Platforms:(.*)$", done.stdout, re.MULTILINE)
        return set(re.findall(r"linux/(\w+)", " ".join(lines))) or None
    try:
        host = json.loads(done.stdout)["host"]
        return {host["arch"], *(name.rpartition("/")[2] for name in host.get("emulatedArchitectures", []))}
    except (ValueError, KeyError):
        return None


def cannot_build(builder: str, architecture: str) -> str:
    """Return the message that an engine cannot build for an architecture, with the fix."""
    run = (
        "sudo podman run" if builder == "podman" else "docker run"
    )  # registering an emulator with the kernel needs root
    return (
        f"an image for {architecture} has to be built, and {builder} on this {platform.machine()} machine has no "
        f"emulator for it: `{run} --privileged --rm docker.io/tonistiigi/binfmt --install {architecture}`, or "
        f"deploy from an {architecture} machine"
    )


def _build(builder: str, files: Mapping[str, Path], image: str, base: str, architecture: str) -> None:
    if not builds(builder, architecture):
        raise PushError(cannot_build(builder, architecture))
    with tempfile.TemporaryDirectory(prefix="dropbatch-image-") as scratch:
        _lay_out(files, Path(scratch))
        dockerfile = f"{scratch}/{BUILD_FOLDER if base else PIPELINE_FOLDER}/Dockerfile"
        options = ["--platform", f"linux/{architecture}", "--tag", image, "--file", dockerfile]
        if base:
            options += ["--build-arg", f"BASE={base}"]
        _run([builder, "build", *options, scratch])


def engine() -> str:
    """Return the name of the container engine: docker if its daemon responds, else podman.

    Raises:
        PushError: neither works.
    """
    installed = [name for name in ("docker", "podman") if shutil.which(name)]
    for name in installed:
        if _answers(name):
            return name
    what = f"{' and '.join(installed)} cannot be used here" if installed else "neither docker nor podman is on PATH"
    do = f"see `{installed[0]} info`" if installed else "install one"
    raise PushError(
        f"an image has to be built, and {what}: {do}, or name a "
        "ready image in the environment file (pipeline.<name>.image)"
    )


def _answers(name: str) -> bool:
    try:
        return not subprocess.run([name, "info"], capture_output=True, check=False, timeout=_INFO_SECONDS).returncode
    except subprocess.TimeoutExpired:  # the daemon hangs
        return False


def _run(command: list[str], stdin: str | None = None) -> None:
    done = subprocess.run(command, input=stdin, text=True, check=False)
    if done.returncode:
        raise PushError(f"`{' '.join(command[:2])}` failed with exit code {done.returncode}: see its output above")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Run ``push --directory D --tag T --repository URL`` in the project's folder."""
    parser = _Parser(prog="python3 -m dropbatch.images", description="Push the image of a pipeline, if it is new.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("push", help="build and push one image, unless the registry has it")
    command.add_argument("--directory", default="", help="the pipeline's folder, for example image/wordcount")
    command.add_argument("--base", default="", help="existing image to build on, if any")
    command.add_argument("--tag", required=True, help="synthesized tag: <pipeline>-<digest of the build context>")
    command.add_argument("--repository", required=True, help="URL of the ECR repository")
    command.add_argument(
        "--architecture", default="amd64", choices=["amd64", "arm64"], help="architecture to build for (default: amd64)"
    )
    options = parser.parse_args(argv)
    if not options.directory and not options.base:
        parser.error("--directory or --base is required")
    try:
        print(
            push(
                Path.cwd(),
                options.directory,
                options.tag,
                options.repository,
                env,
                base=options.base,
                architecture=options.architecture,
            )
        )
    except PushError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
