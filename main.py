"""Synthesize Terraform for every environment: ``environments/*.toml`` → ``cdktf.out/stacks/<environment>/``."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from constructs_lib.assets import AssetError, Assets, build_assets
from dropbatch.settings import Bootstrap, Settings, SettingsError, load_all, load_bootstrap

ROOT = Path(__file__).resolve().parent
_JSII_CACHE = "Library/Caches/com.amazonaws.jsii" if sys.platform == "darwin" else ".cache/aws/jsii"


def main() -> int:
    """Synthesize; returns the exit code. Faults in the environment files go to stderr, one to a line."""
    with tempfile.TemporaryDirectory(prefix="dropbatch-synth-") as scratch:
        try:
            environments = load_all(Path(os.path.relpath(ROOT / "environments")))  # short in messages
            bootstrap = load_bootstrap(Path(os.path.relpath(ROOT / "bootstrap.toml")))
            assets = {each.name: build_assets(ROOT, each, Path(scratch)) for each in environments}
        except (SettingsError, AssetError) as error:
            print(*error.faults, sep="\n", file=sys.stderr)
            return 2
        synthesize(environments, assets, bootstrap)
    return 0


def synthesize(
    environments: Sequence[Settings], assets: Mapping[str, Assets], bootstrap: Bootstrap | None = None
) -> None:
    """Write one stack per environment, and the account's. Packages of functions are copied into it."""
    # jsii prints a page about the end of Node 20's life, which it works with.
    os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
    if not _can_be_made(Path.home() / _JSII_CACHE):
        # It would fail; to unpack its packages each time takes a few seconds.
        os.environ.setdefault("JSII_RUNTIME_PACKAGE_CACHE", "disabled")
    # Only now: importing cdktf starts a Node process, for which a fault in a file should not have to wait.
    from cdktf import App  # noqa: PLC0415

    from constructs_lib.bootstrap_stack import BootstrapStack, BootstrapStackProps  # noqa: PLC0415
    from constructs_lib.stack import DropbatchStack, DropbatchStackProps  # noqa: PLC0415

    outdir = Path(os.environ.get("CDKTF_OUTDIR", ROOT / "cdktf.out"))
    # cdktf would ask Terraform for its version, by a process for each terraform_data. Our stacks say which one they
    # require, and Terraform itself holds to that.
    app = App(outdir=str(outdir), skip_validation=True)
    for settings in environments:
        DropbatchStack(app, settings.name, DropbatchStackProps(settings=settings, assets=assets[settings.name]))
    if bootstrap is not None:
        BootstrapStack(app, "bootstrap", BootstrapStackProps(settings=bootstrap))
    app.synth()
    _remove_old_packages(outdir, assets)


def _can_be_made(folder: Path) -> bool:
    """Whether a folder is there and may be written to, or can be made."""
    nearest = next(each for each in (folder, *folder.parents) if os.path.exists(each))  # false where one may not look
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _remove_old_packages(outdir: Path, assets: Mapping[str, Assets]) -> None:
    """Packages lie in a folder per digest; cdktf leaves those of earlier code."""
    for environment, current in assets.items():
        digests = {package.sha256.hex() for package in current.packages.values()}
        for folder in outdir.glob(f"stacks/{environment}/assets/*/*"):
            if folder.name not in digests:
                shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
