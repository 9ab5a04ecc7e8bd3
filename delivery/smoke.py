"""``make smoke ENV=dev``: drop a file in a deployment and wait for its result, as a researcher would.

The file and the pipeline are the first that fit, unless ``SMOKE_FILE`` and ``SMOKE_PIPELINE`` say otherwise; several
groups need ``SMOKE_GROUP``.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from delivery.commit import commit_of
from delivery.environments import one
from delivery.errors import DeliveryError, ending
from dropbatch.settings import Settings

__all__ = ["choose_pipeline", "main"]


def choose_pipeline(settings: Settings) -> tuple[str, str]:
    """Return a pipeline that a dropped file starts, and the suffix that the file's name needs.

    Raises:
        DeliveryError: there is none.
    """
    for name, pipeline in settings.pipeline.items():
        if pipeline.trigger == "file" and pipeline.after is None:
            return name, pipeline.suffixes[0] if pipeline.suffixes else ".txt"
    raise DeliveryError(f"environments/{settings.name}.toml: no pipeline is started by a file: there is nothing to try")


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Run the step with the argument ``NAME``."""
    parser = argparse.ArgumentParser(prog="python -m delivery.smoke", description="Process one file.")
    parser.add_argument("environment")
    environment: str = parser.parse_args(argv).environment

    def step() -> int:
        settings = one(Path("environments"), environment)
        pipeline, ending_ = choose_pipeline(settings)
        pipeline = env.get("SMOKE_PIPELINE") or pipeline
        given = Path(env["SMOKE_FILE"]) if env.get("SMOKE_FILE") else None
        with tempfile.TemporaryDirectory(prefix="dropbatch-smoke-") as scratch:
            # Use a new name, because an existing file would start no run.
            stem = f"smoke-{commit_of(Path.cwd(), env)[:12]}-{time.time_ns()}"
            file = Path(scratch) / f"{stem}{given.suffix if given else ending_}"
            if given is not None:
                shutil.copyfile(given, file)
            else:
                file.write_text("A file to see whether files are processed.\n", encoding="utf-8")
            results = Path(scratch) / "results"
            group = ["--group", env["SMOKE_GROUP"]] if env.get("SMOKE_GROUP") else []
            command = ["drop", str(file), "--pipeline", pipeline, "--wait", "--fetch", str(results)]
            done = subprocess.run(
                [sys.executable, "-m", "dropbatch.cli", "--env", environment, *group, *command], check=False
            )
            if done.returncode:
                raise DeliveryError(
                    f"{environment}: the file was not processed: see above, and `dropbatch --env {environment} status`"
                )
            found = [path.relative_to(results).as_posix() for path in sorted(results.rglob("*")) if path.is_file()]
            if not found:
                raise DeliveryError(f"{environment}: the run succeeded, and no result came back")
            print(f"{environment}: {', '.join(found)} came back")
        return 0

    return ending(step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
