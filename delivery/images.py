"""``make images INTO=folder``: build every image that an environment needs once, for all that get it."""

import argparse
import sys
import tempfile
from pathlib import Path

from constructs_lib.assets import AssetError, build_assets
from delivery.environments import deployable
from delivery.errors import DeliveryError, ending
from dropbatch.images import PushError, save

__all__ = ["main", "save_all"]


def save_all(root: Path, folder: Path, architecture: str | None = None) -> list[Path]:
    """Archives of the images of all environments that a workflow can deploy, one for each tag.

    With `architecture`, only the images for it.
    """
    archives: dict[str, Path] = {}
    with tempfile.TemporaryDirectory(prefix="dropbatch-images-") as scratch:
        for settings in deployable(root / "environments").values():
            try:
                images = build_assets(root, settings, Path(scratch)).images.values()
            except AssetError as error:
                raise DeliveryError("\n".join(error.faults)) from error
            for image in images:
                wanted = architecture in (None, image.architecture)
                if image.uri is None and wanted and image.tag not in archives:
                    try:
                        archives[image.tag] = save(
                            root, image.directory, image.tag, folder, base=image.base, architecture=image.architecture
                        )
                    except PushError as error:
                        raise DeliveryError(str(error)) from error
    return list(archives.values())


def main(argv: list[str]) -> int:
    """``--into FOLDER [--architecture A]``."""
    parser = argparse.ArgumentParser(prog="python -m delivery.images", description="Build the images that are needed.")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--architecture", choices=["amd64", "arm64"], help="build only the images for it")
    options = parser.parse_args(argv)
    folder: Path = options.into

    def step() -> int:
        for archive in save_all(Path.cwd(), folder, options.architecture):
            print(f"{archive.name}: {archive.stat().st_size / 2**20:.0f} MiB")
        return 0

    return ending(step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
