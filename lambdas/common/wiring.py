"""Reading a function's surroundings once, at its cold start."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore
from botocore.config import Config
from botocore.model import ServiceModel, StructureShape

from dropbatch.contract.deployment import FILE_NAME, Deployment

__all__ = ["NEEDED", "client", "deployment", "logger", "time_spent", "variables"]

NEEDED = {
    "s3": {"PutObject": {"IfNoneMatch": "1.35.2"}},
    "batch": {"SubmitJob": {"shareIdentifier": "1.23.2"}},
}
"""The youngest parameters that the functions send, by service and operation, and the first botocore that knows each.

Lambda brings boto3, and which one depends on the runtime's version and the region:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html#python-sdk-included
"""


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

    Raises:
        RuntimeError: boto3 is too old for a parameter in `NEEDED`.
    """
    # Thirteen seconds of silence within one region are enough; the queue brings the message again in any case.
    config = Config(
        connect_timeout=3,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 4 if retry else 1},
    )
    made = boto3.client(service, config=config)  # type: ignore[call-overload]
    _check_features(service, made.meta.service_model)
    return made


def _check_features(service: str, model: ServiceModel) -> None:
    """Fail at the cold start, not at the first run that needs the parameter. The model is the client's own, loaded."""
    for operation, parameters in NEEDED.get(service, {}).items():
        shape = model.operation_model(operation).input_shape
        known = shape.members if isinstance(shape, StructureShape) else {}
        for parameter, version in parameters.items():
            if parameter not in known:
                raise RuntimeError(
                    f"{service} {operation}: parameter {parameter} needs botocore {version} or newer, got "
                    f"{botocore.__version__} with boto3 {boto3.__version__}: let Lambda update the function's runtime, "
                    "or add a layer with a newer boto3"
                )
