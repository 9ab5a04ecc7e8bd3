"""A wrap of MiniStack's routing."""

from dropbatch.sandbox import emulator
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_unknown_services"]


def wrap_unknown_services() -> None:
    """Skip the search for unknown services in all of AWS's models, which takes seconds.

    The search blocks all other requests. A request signed for a service that MiniStack lacks is unsupported anyway.
    """
    router = emulator.module("core.router")
    expected(router, "_is_aws_service_name", "(scope_name: str) -> bool")
    router._is_aws_service_name = lambda scope_name: True
