"""What ends a step: `DeliveryError`, one line that names what, where and the fix."""

import sys
from collections.abc import Callable

__all__ = ["DeliveryError", "ending"]


class DeliveryError(Exception):
    """A step cannot go on. The message is for whoever reads the log of the workflow."""


def ending(step: Callable[[], int]) -> int:
    """Run a step; its error goes to stderr, and the exit code is 1."""
    try:
        return step()
    except DeliveryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
