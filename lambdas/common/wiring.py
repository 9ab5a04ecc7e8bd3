"""Read a function's environment and create its AWS clients, once at the cold start."""

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
"""The newest parameters that the functions send, by service and operation, and the first botocore version with each.

Lambda's runtime includes boto3; its version depends on the runtime's version and the region:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html#python-sdk-included
"""


def logger() -> logging.Logger:
    """Return the function's logger. Lambda's log handler writes JSON."""
    log = logging.getLogger("dropbatch")
    log.setLevel(logging.INFO)
    return log


def variables(*names: str) -> list[str]:
    """Return the values of required environment variables.

    Raises:
        RuntimeError: some are missing; names all of them.
    """
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise RuntimeError(f"environment variables missing: {', '.join(missing)}: deploy the stack again")
    return [os.environ[name] for name in names]


def deployment() -> Deployment:
    """Read the deployment from its file in the function's package."""
    root = Path(os.environ.get("LAMBDA_TASK_ROOT", Path(__file__).parents[2]))
    return Deployment.from_json((root / FILE_NAME).read_bytes())


def time_spent(context: Any) -> Callable[[], float]:
    """Return a function that returns the share of the invocation's time that has passed. `context` is Lambda's."""
    time_left = context.get_remaining_time_in_millis
    total = time_left()
    return lambda: float(1 - time_left() / total)


def client(service: str, *, retry: bool = True) -> Any:
    """Create a client of an AWS service.

    Args:
        service: boto3's name of the service.
        retry: whether the client retries failed calls. False if a repeated call could have a second effect.

    Raises:
        RuntimeError: boto3 is too old for a parameter in `NEEDED`.
    """
    # Thirteen seconds without an answer are enough within one region; the message is delivered again in any case.
    config = Config(
        connect_timeout=3,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 4 if retry else 1},
    )
    client_ = boto3.client(service, config=config)  # type: ignore[call-overload]
    _check_features(service, client_.meta.service_model)
    return client_


def _check_features(service: str, model: ServiceModel) -> None:
    """Check at the cold start that boto3 knows the parameters in `NEEDED`. `model` is the client's loaded model."""
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
