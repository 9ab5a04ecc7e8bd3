"""What has to be computed from files before a stack is made: packages of functions, tags of images.

Constructs read no files; `main.py` calls this and hands the results in.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dropbatch import images
from dropbatch.contract.deployment import FILE_NAME
from dropbatch.settings import Settings

__all__ = ["FUNCTIONS", "AssetError", "Assets", "Image", "Package", "build_assets", "build_package"]

FUNCTIONS = ("arrival", "run_events", "spend_guard")

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file knows
_REGULAR_0644 = 0o100644 << 16


class AssetError(ValueError):
    """Files that an environment file names are not there.

    Attributes:
        faults: one line each: file, key, rule, value and fix.
    """

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True, kw_only=True)
class Package:
    """A function's code as a zip file."""

    path: Path
    handler: str
    sha256: bytes

    @property
    def base64(self) -> str:
        """Digest as Lambda writes it."""
        return base64.b64encode(self.sha256).decode("ascii")


@dataclass(frozen=True, kw_only=True)
class Image:
    """A pipeline's image: a URI as given, or a directory of the project and the tag its content has."""

    uri: str | None = None
    directory: str = ""
    base: str = ""
    """The image that it goes around, if there is one."""
    tag: str = ""
    architecture: str = "amd64"
    """What it is built for."""


@dataclass(frozen=True, kw_only=True)
class Assets:
    """Everything one stack needs besides its settings."""

    packages: Mapping[str, Package]
    """By name in `FUNCTIONS`."""
    images: Mapping[str, Image]
    """By name of pipeline."""


def build_assets(root: Path, settings: Settings, folder: Path) -> Assets:
    """Write packages into a folder below `folder`, which exists, and name images.

    Raises:
        AssetError: a pipeline's image is neither a directory with a Dockerfile nor a URI.
    """
    named: dict[str, Image] = {}
    faults: list[str] = []
    for name in settings.pipeline:
        try:
            named[name] = _image(root, settings, name)
        except AssetError as error:
            faults += error.faults
    if faults:
        raise AssetError(faults)
    own = folder / settings.name
    own.mkdir()
    deployment = settings.deployment().to_json()
    return Assets(
        packages={function: build_package(root, function, deployment, own) for function in FUNCTIONS}, images=named
    )


def build_package(root: Path, function: str, deployment: str, folder: Path) -> Package:
    """Zip a function: its code, what functions share, the contract, and the text of the deployment's description.

    The same sources give the same bytes on every machine, whatever their times and modes; and since the members are
    stored, not deflated, whatever the machine's zlib.
    """
    members = {FILE_NAME: deployment.encode()}
    sources = [root / "lambdas/__init__.py", root / "dropbatch/__init__.py"]
    for package in ("lambdas/common", "lambdas/ledger", f"lambdas/{function}", "dropbatch/contract"):
        sources += _python_files(root / package)
    members |= {path.relative_to(root).as_posix(): path.read_bytes() for path in sources}
    body = _zip(members)
    path = folder / f"{function}.zip"
    path.write_bytes(body)
    return Package(path=path, handler=f"lambdas.{function}.handler.handle", sha256=hashlib.sha256(body).digest())


def _python_files(package: Path) -> Iterable[Path]:
    return package.rglob("*.py")


def _zip(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, on every system
            entry.external_attr = _REGULAR_0644
            archive.writestr(entry, members[name])
    return buffer.getvalue()


def _image(root: Path, settings: Settings, pipeline: str) -> Image:
    text, base = settings.pipeline[pipeline].image, settings.pipeline[pipeline].base
    where = f"environments/{settings.name}.toml: pipeline.{pipeline}.image"
    directory = root / text if text else None
    if base and directory is not None and not directory.is_dir():
        raise AssetError(
            [f"{where}: beside base it must be a directory of this project, got {text!r}: correct the path"]
        )
    if base or (directory is not None and (directory / "Dockerfile").is_file()):
        architecture = settings.compute[settings.pipeline[pipeline].pools[0]].architecture
        kind = pipeline if architecture == "amd64" else f"{pipeline}-{architecture}"
        digest = images.digest(images.context_files(root, directory, base=base), base=base)
        return Image(directory=text, base=base, tag=f"{kind}-{digest}", architecture=architecture)
    if directory is None:
        raise AssetError([f"{where}: missing: name a directory with a Dockerfile or an image's URI, or give base"])
    if directory.is_dir():
        raise AssetError([f"{where}: a directory must hold a Dockerfile, got {text!r}: add {text}/Dockerfile"])
    if ":" in text or "@" in text:
        return Image(uri=text)
    raise AssetError(
        [
            f"{where}: must be a directory of this project or an image's URI with a tag or digest, got {text!r}: "
            "correct the path, or write registry/name:tag"
        ]
    )
