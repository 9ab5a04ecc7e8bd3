"""The commit that is deployed."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from delivery.errors import DeliveryError

__all__ = ["commit_of"]


def commit_of(root: Path, env: Mapping[str, str]) -> str:
    """Return the commit of the workflow's run; outside GitHub, that of the checkout."""
    if env.get("GITHUB_SHA"):
        return env["GITHUB_SHA"]
    answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise DeliveryError("the commit is not known: this is no git checkout, and GITHUB_SHA is not set")
    return answer.stdout.strip()
