"""Scripts that jsii's Node process loads first."""

import json
import os
from pathlib import Path

__all__ = ["preload"]


def preload(script: Path) -> None:
    """Have Node load the script before anything else. Node starts when cdktf is imported; later is too late."""
    option = f"--require {json.dumps(str(script))}"
    options = os.environ.get("NODE_OPTIONS", "")
    if option not in options:
        os.environ["NODE_OPTIONS"] = f"{options} {option}".strip()
