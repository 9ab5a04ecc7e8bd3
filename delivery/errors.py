"""The error of a delivery step, and its exit code."""

import sys
from collections.abc import Callable

__all__ = ["DeliveryError", "ending"]


class DeliveryError(Exception):
    """A step failed. The message names the problem and the fix, for the reader of the workflow's log."""


def ending(step: Callable[[], int]) -> int:
    """Run a step and return its exit code; on `DeliveryError` print the message to stderr and return 1."""
    try:
        return step()
    except DeliveryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
