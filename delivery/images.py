"""``make images INTO=folder``: build each image once for all environments that use it."""

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
    """Save the images of all deployable environments to `folder`, and return one archive per image tag.

    With `architecture`, save only the images for it.
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
    """Run the step with arguments ``--into FOLDER [--architecture A]``."""
    parser = argparse.ArgumentParser(prog="python -m delivery.images", description="Build the environments' images.")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--architecture", choices=["amd64", "arm64"], help="build only images for this architecture")
    options = parser.parse_args(argv)
    folder: Path = options.into

    def step() -> int:
        for archive in save_all(Path.cwd(), folder, options.architecture):
            print(f"{archive.name}: {archive.stat().st_size / 2**20:.0f} MiB")
        return 0

    return ending(step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
