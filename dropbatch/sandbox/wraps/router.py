"""A wrap of MiniStack's routing."""

from dropbatch.sandbox import emulator
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_unknown_services"]


def wrap_unknown_services() -> None:
    """Whether a service MiniStack does not have is one of AWS's is looked up in the models of all, for seconds.

    Nothing else is answered meanwhile. What is signed for a service that is not there is not supported, whatever it is.
    """
    router = emulator.module("core.router")
    expected(router, "_is_aws_service_name", "(scope_name: str) -> bool")
    router._is_aws_service_name = lambda scope_name: True
