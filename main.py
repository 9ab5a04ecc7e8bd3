"""Synthesize Terraform for every environment: ``environments/*.toml`` → ``cdktf.out/stacks/<environment>/``."""

import os
import sys
import tempfile
from pathlib import Path

from dropbatch.settings import SettingsError, load_all

ROOT = Path(__file__).resolve().parent


def main() -> int:
    """Synthesize; returns the exit code. Faults in the environment files go to stderr, one to a line."""
    # jsii prints a page about the end of Node 20's life, which it works with.
    os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
    try:
        environments = load_all(ROOT / "environments")
    except SettingsError as error:
        print(*error.faults, sep="\n", file=sys.stderr)
        return 2

    # Only now: importing cdktf starts a Node process, which faults in a file should not wait for.
    from cdktf import App  # noqa: PLC0415

    from constructs_lib.assets import AssetError, build_assets  # noqa: PLC0415
    from constructs_lib.stack import DropbatchStack, DropbatchStackProps  # noqa: PLC0415

    app = App(outdir=os.environ.get("CDKTF_OUTDIR", str(ROOT / "cdktf.out")))
    with tempfile.TemporaryDirectory(prefix="dropbatch-synth-") as scratch:
        try:
            for settings in environments:
                folder = Path(scratch) / settings.name
                folder.mkdir()
                assets = build_assets(ROOT, settings, folder)
                DropbatchStack(app, settings.name, DropbatchStackProps(settings=settings, assets=assets))
        except AssetError as error:
            print(error, file=sys.stderr)
            return 2
        app.synth()  # copies the packages
    return 0


if __name__ == "__main__":
    sys.exit(main())
