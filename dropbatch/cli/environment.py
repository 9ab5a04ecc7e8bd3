"""Choose the environment, and set the variables that the sandbox needs."""

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

from dropbatch.cli.errors import NotFoundError, ReachError

if TYPE_CHECKING:
    from dropbatch.sandbox import Sandbox

__all__ = ["SANDBOX", "VARIABLE", "choose", "project_root", "sandbox_here"]

SANDBOX = "sandbox"
VARIABLE = "DROPBATCH_ENV"
_SANDBOX_DIR = "DROPBATCH_SANDBOX_DIR"
_ENDPOINT = "AWS_ENDPOINT_URL"
_MISLEADING = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SHARED_CREDENTIALS_FILE")
"""Variables of the user that would override or break the sandbox's."""


def project_root(start: Path | None = None) -> Path | None:
    """Return the checkout that contains a directory: its nearest ancestor with ``environments/sandbox.toml``."""
    here = (start or Path.cwd()).resolve()
    for directory in (here, *here.parents):
        if (directory / "environments" / f"{SANDBOX}.toml").is_file():
            return directory
    return None


def sandbox_here(root: Path | None = None) -> "Sandbox | None":
    """Return the sandbox of the current checkout, whether it runs or not; None outside a checkout."""
    root = root or project_root()
    if root is None:
        return None
    from dropbatch.sandbox import Sandbox  # noqa: PLC0415 – heavy

    return Sandbox.at(root)


def choose(name: str | None, env: MutableMapping[str, str] | None = None) -> str:
    """Return the name of the environment; for the sandbox, set its variables in `env` (default: `os.environ`).

    Raises:
        NotFoundError: no environment was named, and no sandbox runs here.
        ReachError: the sandbox was named, and none runs here.
    """
    env = os.environ if env is None else env
    name = name or env.get(VARIABLE)
    if name not in {None, SANDBOX}:
        return str(name)
    if _enter_sandbox(env):
        return SANDBOX
    if name is None:
        raise NotFoundError(
            f"no environment was named and no sandbox runs here: give --env NAME, set {VARIABLE}, "
            "or start one with `dropbatch sandbox up`"
        )
    raise ReachError(
        "the sandbox of this directory is not running: start it with `make demo` or `dropbatch sandbox up`"
    )


def _enter_sandbox(env: MutableMapping[str, str]) -> bool:
    sandbox = sandbox_here()
    if sandbox is not None and sandbox.status().running:
        for name in [*_MISLEADING, *(name for name in env if name.startswith(_ENDPOINT + "_"))]:
            env.pop(name, None)
        env.update(sandbox.environ())
        return True
    # The variables of `dropbatch sandbox env` also work outside the checkout.
    return bool(env.get(_SANDBOX_DIR) and env.get(_ENDPOINT))
