"""Batch's service model from botocore: operations by path, and the shapes of requests."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote

from botocore.validate import ParamValidator

from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.rules.model import beyond_botocore, model_of

__all__ = ["operation_of", "problems", "without_nulls"]

_TAGS_PATH = "/v1/tags/"
_TAG_OPERATIONS = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}


def operation_of(method: str, path: str, query: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the operation's name, and the request members from the path and the query."""
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
    """Return the errors in a request's shape (missing members, wrong types, unknown values), or "".

    Unknown members are accepted, as on AWS.
    """
    shape = model_of("batch").operation_model(operation).input_shape
    if shape is None:
        return ""
    report = ParamValidator().validate(request, shape)
    found = [text for text in report.generate_report().splitlines() if not text.startswith("Unknown parameter")]
    return "; ".join(found or beyond_botocore("batch", operation, request))


def without_nulls(value: Any) -> Any:
    """Return `value` without null members; AWS treats null as absent."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return value


@cache
def _paths() -> dict[tuple[str, str], str]:
    model = model_of("batch")
    http = {name: model.operation_model(name).http for name in model.operation_names}
    return {(each["method"], each["requestUri"].lower()): name for name, each in http.items()}
