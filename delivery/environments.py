"""List and check the environments that a workflow can deploy: those with Terraform state in S3.

``make environments`` prints their names as a JSON list; with ``ENV=dev`` it checks that one and prints its region. In a
workflow it also sets the step's outputs ``environments`` and ``architectures`` (of their images), or ``region``. To
destroy an environment, its name must be given twice.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from delivery import github
from delivery.errors import DeliveryError, ending
from dropbatch.settings import Settings, SettingsError, load_all, load_bootstrap

__all__ = ["architectures", "deployable", "every", "main", "one", "region_of"]

_PLACEHOLDER = "CHANGE-ME"


def every(directory: Path) -> dict[str, Settings]:
    """Return all environments by name.

    Raises:
        DeliveryError: a file has faults; all of them are in the message.
    """
    try:
        return {each.name: each for each in load_all(directory)}
    except SettingsError as error:
        raise DeliveryError("\n".join(error.faults)) from error


def deployable(directory: Path) -> dict[str, Settings]:
    """Return the environments with state in S3, by name.

    Raises:
        DeliveryError: the deploy role of one of them could not deploy it.
    """
    found = {name: each for name, each in every(directory).items() if _fault(each) is None}
    for name in found:
        region_of(directory, name)
    return found


def one(directory: Path, name: str) -> Settings:
    """Return the environment with this name.

    Raises:
        DeliveryError: no environment has this name.
    """
    known = every(directory)
    if name not in known:
        raise DeliveryError(f"environment: one of {', '.join(sorted(known))}, got {name!r}: choose one of them")
    return known[name]


def region_of(directory: Path, name: str) -> str:
    """Return the environment's region.

    Raises:
        DeliveryError: no environment has this name, or a workflow cannot deploy it.
    """
    settings = one(directory, name)
    fault = _fault(settings) or _unbounded(settings, directory.parent / "bootstrap.toml")
    if fault is not None:
        raise DeliveryError(f"{directory / name}.toml: {fault}")
    return settings.environment.region


def architectures(environments: Iterable[Settings]) -> list[str]:
    """Return the architectures of the environments' images, always with amd64 (a workflow needs at least one job)."""
    pools = [each.compute[pipeline.pools[0]] for each in environments for pipeline in each.pipeline.values()]
    return sorted({"amd64", *(pool.architecture for pool in pools)})


def _fault(settings: Settings) -> str | None:
    if settings.state.backend != "s3":
        return (
            'state.backend: must be "s3" for a workflow, whose files are gone when it ends, got '
            f'"{settings.state.backend}": write it and the bucket of `npx cdktf deploy bootstrap`'
        )
    if _PLACEHOLDER in (settings.state.bucket or ""):
        return f"state.bucket: is still {settings.state.bucket!r}: write the bucket of `npx cdktf deploy bootstrap`"
    return None


def _unbounded(settings: Settings, bootstrap: Path) -> str | None:
    """Return a fault if the permissions boundary is missing, without which the deploy role may create no roles.

    AWS would report this only in the middle of the first deploy.
    """
    try:
        github = getattr(load_bootstrap(bootstrap), "github", None)
    except SettingsError as error:
        raise DeliveryError("\n".join(error.faults)) from error
    if github is None or settings.name not in github.environments or settings.environment.permissions_boundary:
        return None
    return (
        "environment.permissions_boundary: is missing, and the role that deploys makes roles with it only: write "
        f'permissions_boundary = "dropbatch-boundary-{settings.name}"'
    )


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Run the step with arguments ``[NAME [--destroy NAME]]``."""
    parser = argparse.ArgumentParser(prog="python -m delivery.environments", description="List environments.")
    parser.add_argument("name", nargs="?", help="check this environment and print its region")
    parser.add_argument("--destroy", metavar="NAME", help="name that the user typed to confirm the destruction")
    options = parser.parse_args(argv)
    name, confirmed = options.name, options.destroy
    directory = Path("environments")

    def step() -> int:
        if confirmed is not None and confirmed != name:
            raise DeliveryError(f"confirm: to destroy {name!r} type its name, got {confirmed!r}: nothing is destroyed")
        if name is not None:
            region = region_of(directory, name)
            print(region)
            github.set_outputs(env, region=region)
        else:
            found = deployable(directory)
            names = json.dumps(sorted(found))
            print(names)
            github.set_outputs(env, environments=names, architectures=json.dumps(architectures(found.values())))
        return 0

    return ending(step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
