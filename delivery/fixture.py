"""``make release-fixture ENV=dev``: the stack of this release, for tests to upgrade from (``tests/upgrades``).

What Terraform would run on the machine is left out: it belongs to the code of its time. So are the packages of
functions; what they are called stays, and whoever applies the fixture puts something in their place.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delivery.errors import ending
from delivery.terraform import Stack
from dropbatch import __version__

__all__ = ["fixture", "main"]

FOLDER = Path("tests/upgrades")


def fixture(body: Mapping[str, Any]) -> dict[str, Any]:
    """A synthesized stack without comments, commands and state."""
    found: dict[str, Any] = _without(body, {"//", "provisioner"})
    del found["terraform"]["backend"]
    return found


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value


def main(argv: list[str]) -> int:
    """``NAME [--version V]``."""
    parser = argparse.ArgumentParser(prog="python -m delivery.fixture", description="Keep the stack of a release.")
    parser.add_argument("environment")
    parser.add_argument("--version", default=__version__, help=f"of the release ({__version__})")
    options = parser.parse_args(argv)

    def step() -> int:
        path = FOLDER / f"{options.version}.json"
        body = fixture(Stack(Path.cwd(), options.environment).body)
        path.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{path}: {sum(map(len, body['resource'].values()))} resources")
        return 0

    return ending(step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
