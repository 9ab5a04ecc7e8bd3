"""The one door to MiniStack, the emulator under the sandbox.

MiniStack carries no type hints and some of its modules are heavy, so they are fetched here, by name, when needed.
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
    """MiniStack's module ``ministack.<name>``."""
    return importlib.import_module(f"ministack.{name}")


def service(name: str) -> Any:
    """The module of one of MiniStack's services, such as ``"eventbridge"``."""
    return module(f"services.{name}")


@contextmanager
def request_scope(region: str) -> Iterator[None]:
    """Call into a service's module from outside a request, as the sandbox's account in `region`."""
    with module("core.responses").request_scope(ACCOUNT, region):
        yield


def expected(module: Any, name: str, signature: str) -> Any:
    """The function to wrap, if it still looks as it did.

    Raises:
        WrapError: it does not.
    """
    function = getattr(module, name, None)
    found = str(inspect.signature(function)) if callable(function) else "nothing of that name"
    if found != signature:
        raise WrapError(
            f"{module.__name__}.{name} has changed: its wrap expects {signature}, found {found}; "
            f"it was written for ministack {MINISTACK}"
        )
    return function
