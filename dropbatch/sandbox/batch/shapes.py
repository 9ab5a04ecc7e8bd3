"""Batch's service model as botocore ships it: which path is which operation, and what a request must look like."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from dropbatch.sandbox.batch.errors import ClientError

__all__ = ["operation_of", "problems"]

_TAGS_PATH = "/v1/tags/"
_TAG_OPERATIONS = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}


def operation_of(method: str, path: str, query: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The operation's name, and the members of its request that travel in the path or the query."""
    if path.startswith(_TAGS_PATH) and method in _TAG_OPERATIONS:
        members: dict[str, Any] = {"resourceArn": unquote(path.removeprefix(_TAGS_PATH))}
        if method == "DELETE":
            keys = query.get("tagKeys") or []
            members["tagKeys"] = [keys] if isinstance(keys, str) else list(keys)
        return _TAG_OPERATIONS[method], members
    operation = _paths().get((method, path.rstrip("/").lower()))
    if operation is None:
        raise ClientError(f"not supported in the sandbox: {method} {path}")
    return operation, {}


def problems(operation: str, request: dict[str, Any]) -> str:
    """What is wrong with a request's shape (missing members, wrong types), or nothing.

    Members set to null count as left out, and unknown ones are let pass, both as AWS does.
    """
    shape = _model().operation_model(operation).input_shape
    if shape is None:
        return ""
    report = ParamValidator().validate(_without_nulls(request), shape)
    found = [text for text in report.generate_report().splitlines() if not text.startswith("Unknown parameter")]
    return "; ".join(found)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


@cache
def _model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("batch", "service-2"), "batch")


@cache
def _paths() -> dict[tuple[str, str], str]:
    model = _model()
    http = {name: model.operation_model(name).http for name in model.operation_names}
    return {(each["method"], each["requestUri"].lower()): name for name, each in http.items()}
