"""All access to MiniStack, the emulator on which the sandbox is built.

MiniStack has no type hints and some of its modules are slow to import, so this module imports them by name when needed.
"""

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dropbatch.sandbox.errors import WrapError

__all__ = ["ACCOUNT", "MINISTACK", "expected", "module", "request_scope", "service"]

MINISTACK = "1.5.33"
"""The version whose inside the wraps know."""

ACCOUNT = "000000000000"
"""The sandbox has one account."""


def module(name: str) -> Any:
    """Return MiniStack's module ``ministack.<name>``."""
    return importlib.import_module(f"ministack.{name}")


def service(name: str) -> Any:
    """Return the module of one of MiniStack's services, such as ``"eventbridge"``."""
    return module(f"services.{name}")


@contextmanager
def request_scope(region: str) -> Iterator[None]:
    """Set the sandbox's account and `region`, for calls to a service's module outside a request."""
    with module("core.responses").request_scope(ACCOUNT, region):
        yield


def expected(module: Any, name: str, signature: str) -> Any:
    """Return the function to wrap, after checking that it is unchanged.

    Raises:
        WrapError: the function has changed.
    """
    function = getattr(module, name, None)
    found = str(inspect.signature(function)) if callable(function) else "nothing of that name"
    if found != signature:
        raise WrapError(
            f"{module.__name__}.{name} has changed: its wrap expects {signature}, found {found}; "
            f"it was written for ministack {MINISTACK}"
        )
    return function
