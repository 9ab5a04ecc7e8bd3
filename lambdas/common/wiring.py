"""Reading a function's surroundings once, at its cold start."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from dropbatch.contract.deployment import FILE_NAME, Deployment

__all__ = ["client", "deployment", "logger", "time_spent", "variables"]


def logger() -> logging.Logger:
    """The function's log. Lambda's own handler writes it as JSON."""
    log = logging.getLogger("dropbatch")
    log.setLevel(logging.INFO)
    return log


def variables(*names: str) -> list[str]:
    """Values of environment variables that the function cannot do without.

    Raises:
        RuntimeError: naming all that are missing.
    """
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise RuntimeError(f"environment variables missing: {', '.join(missing)}: deploy the stack again")
    return [os.environ[name] for name in names]


def deployment() -> Deployment:
    """The deployment described beside the code, in the function's package."""
    root = Path(os.environ.get("LAMBDA_TASK_ROOT", Path(__file__).parents[2]))
    return Deployment.from_json((root / FILE_NAME).read_bytes())


def time_spent(context: Any) -> Callable[[], float]:
    """Tells which share of the time that an invocation had at this moment is over; `context` is Lambda's."""
    time_left = context.get_remaining_time_in_millis
    whole = time_left()
    return lambda: float(1 - time_left() / whole)


def client(service: str, *, retry: bool = True) -> Any:
    """A client of an AWS service.

    Args:
        service: name as boto3 knows it.
        retry: False for calls that must not be repeated behind our back, because a repetition has an effect of its own.
    """
    # Thirteen seconds of silence within one region are enough; the queue brings the message again in any case.
    config = Config(
        connect_timeout=3,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 4 if retry else 1},
    )
    return boto3.client(service, config=config)  # type: ignore[call-overload]
