"""Find Terraform's providers on this machine, so that a deploy can work without a network.

Search order: the CLI configuration file that ``TF_CLI_CONFIG_FILE`` names, if it exists; the directory that
``DROPBATCH_PROVIDER_MIRROR`` names; the directories that Terraform searches; a directory ``registry.terraform.io``
at most three levels below the usual places for software; else the registry.
"""

import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dropbatch.sandbox.errors import TerraformError

__all__ = ["VARIABLE", "Provider", "cli_configuration", "find"]

VARIABLE = "DROPBATCH_PROVIDER_MIRROR"
_REGISTRY = "registry.terraform.io"
_SOFTWARE_ROOTS = (Path("/opt"), Path("/usr/local"), Path("/srv"))
_DEPTH = 3


@dataclass(frozen=True)
class Provider:
    """A provider as required by a configuration."""

    source: str
    """``namespace/type``."""
    version: str
    """Exact, or a constraint such as ``~> 5.0``."""

    @classmethod
    def of(cls, source: str, version: str) -> "Provider":
        """Parse an entry of ``required_providers``; registry and HashiCorp's namespace are optional."""
        parts = source.removeprefix(f"{_REGISTRY}/").split("/")
        return cls("/".join(parts if len(parts) > 1 else ["hashicorp", *parts]), version)


def find(providers: Iterable[Provider], env: Mapping[str, str]) -> Path | None:
    """Return the directory with all `providers` for this machine; None if the registry is needed.

    Raise `TerraformError` if a configured directory lacks one.
    """
    wanted = list(providers)
    named = env.get(VARIABLE)
    if named:
        mirror = _as_mirror(Path(named))
        missing = [each for each in wanted if not _holds(mirror, each)]
        if missing:
            listed = ", ".join(f"{each.source} {each.version}" for each in missing)
            raise TerraformError(
                f"{VARIABLE}={named} does not hold {listed} for {_machine()}: it should contain "
                f"{_REGISTRY}/<namespace>/<type>/<version>/{_machine()}"
            )
        return mirror
    candidates = [*_implied(env), *_below(_SOFTWARE_ROOTS)]
    return next((each for each in candidates if all(_holds(each, provider) for provider in wanted)), None)


def cli_configuration(mirror: Path, providers: Iterable[Provider]) -> str:
    """Return a CLI configuration file that installs only `providers` from `mirror`."""
    names = ", ".join(f'"{_REGISTRY}/{each.source}"' for each in providers)
    return (
        "disable_checkpoint = true\n"
        "provider_installation {\n"
        f'  filesystem_mirror {{\n    path    = "{mirror}"\n    include = [{names}]\n  }}\n'
        f"  direct {{\n    exclude = [{names}]\n  }}\n"
        "}\n"
    )


def _as_mirror(directory: Path) -> Path:
    return directory.parent if directory.name == _REGISTRY else directory


def _holds(mirror: Path, provider: Provider) -> bool:
    """Return whether a mirror has a provider for this machine, unpacked or as an archive."""
    directory = mirror / _REGISTRY / provider.source
    name = provider.source.rpartition("/")[2]
    version = provider.version.removeprefix("=").strip()
    if not version[:1].isdigit():
        version = "*"
    unpacked = directory.glob(f"{version}/{_machine()}/terraform-provider-{name}*")
    archives = directory.glob(f"terraform-provider-{name}_{version}_{_machine()}.zip")
    return any(unpacked) or any(archives)


def _machine() -> str:
    """Return Terraform's name of this platform, such as ``linux_amd64``."""
    processor = platform.machine().lower()
    names = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386"}
    return f"{'darwin' if sys.platform == 'darwin' else 'linux'}_{names.get(processor, processor)}"


def _implied(env: Mapping[str, str]) -> Iterator[Path]:
    """Yield the implied mirror directories. Source: "CLI configuration file", "Implied local mirror directories"."""
    home = Path(env.get("HOME") or "~").expanduser()
    yield home / ".terraform.d" / "plugins"
    if sys.platform == "darwin":
        for base in (home, Path("/")):
            yield base / "Library" / "Application Support" / "io.terraform" / "plugins"
        return
    data_homes = [env.get("XDG_DATA_HOME") or str(home / ".local" / "share")]
    data_homes += (env.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    for base_name in data_homes:
        yield Path(base_name) / "terraform" / "plugins"


def _below(roots: Iterable[Path]) -> Iterator[Path]:
    """Yield directories that contain ``registry.terraform.io``, at most three levels below a root."""
    level = [root for root in roots if root.is_dir()]
    for _ in range(_DEPTH):
        deeper: list[Path] = []
        for directory in level:
            if (directory / _REGISTRY).is_dir():
                yield directory
            deeper += _directories(directory)
        level = deeper


def _directories(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return sorted(Path(each.path) for each in entries if each.is_dir(follow_symlinks=False))
    except OSError:
        return []
