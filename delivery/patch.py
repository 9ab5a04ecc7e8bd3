"""``make patch ENV=dev``: update every pool to the newest machine image. Running jobs keep their machines."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from delivery.environments import one
from delivery.errors import ending
from dropbatch import machines

__all__ = ["main"]


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Run the step with the argument ``NAME``."""
    parser = argparse.ArgumentParser(prog="python -m delivery.patch", description="Update the machine images.")
    parser.add_argument("environment")
    environment: str = parser.parse_args(argv).environment

    def step() -> int:
        settings = one(Path("environments"), environment)
        place = [f"--region={settings.environment.region}", f"--environment={environment}"]
        return machines.main(["patch", *place, *(f"--pool={pool}" for pool in settings.compute)], env)

    return ending(step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
