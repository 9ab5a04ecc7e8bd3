"""The one door to MiniStack, the emulator under the sandbox.

MiniStack carries no type hints and some of its modules are heavy, so they are fetched here, by name, when needed.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ACCOUNT", "module", "request_scope", "service"]

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
