"""Parse a request to MiniStack into the operation and parameters that the client received, as far as rules need them.

Only simple protocols are parsed: JSON, forms, and the path, query and headers of S3.
"""

import json
import re
from collections.abc import Mapping
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import parse_qs

__all__ = ["JSON", "Incoming", "Read", "read"]

JSON = frozenset({"dynamodb", "events", "logs", "sqs", "ssm"})
"""Services whose requests are JSON, with the operation in a header."""

Read = tuple[str, dict[str, Any]]
_KEY = re.compile(r"<Key>(.*?)</Key>", re.DOTALL)
_PART = re.compile(r"<PartNumber>\s*(\d+)\s*</PartNumber>")
_META = "x-amz-meta-"


class Incoming(NamedTuple):
    """A request as MiniStack passes it to a service."""

    method: str
    path: str
    """Decoded, of S3 with the bucket in it."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    query: Mapping[str, Any]


def read(service: str, request: Incoming) -> Read | None:
    """Return operation and parameters of a request; None if no rule covers it or it cannot be parsed."""
    if service in JSON:
        return _json(request)
    if service == "sns":
        return _form(request.body)
    return _s3(request) if service == "s3" else None


def _json(request: Incoming) -> Read | None:
    operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
    try:
        params = json.loads(request.body or b"{}")
    except ValueError:
        return None
    if not operation or not isinstance(params, dict):
        return None
    return operation, {name: value for name, value in params.items() if value is not None}


def _form(body: bytes) -> Read | None:
    fields = {name: values[0] for name, values in parse_qs(body.decode(errors="replace"), True).items()}
    return (fields.pop("Action"), fields) if "Action" in fields else None


def _s3(request: Incoming) -> Read | None:
    method, path, headers, body, query = request
    key = path.removeprefix("/").partition("/")[2]
    asked = {name for name in query if name != "x-id" and not name.lower().startswith("x-amz-")}
    if not key:
        keys = [unescape(found) for found in _KEY.findall(body.decode(errors="replace"))] if "delete" in asked else []
        return ("DeleteObjects", {"Delete": {"Objects": [{"Key": each} for each in keys]}}) if keys else None
    params: dict[str, Any] = {"Key": key}
    if method == "PUT" and asked == {"partNumber", "uploadId"}:
        number = query["partNumber"]
        return "UploadPart", params | {"PartNumber": int(number[0] if isinstance(number, list) else number)}
    if method == "POST" and asked == {"uploadId"}:
        numbers = [{"PartNumber": int(number)} for number in _PART.findall(body.decode(errors="replace"))]
        return "CompleteMultipartUpload", params | _condition(headers) | {"MultipartUpload": {"Parts": numbers}}
    if method == "POST" and asked == {"uploads"}:
        return "CreateMultipartUpload", params | _description(headers)
    if method == "PUT" and not asked:
        return "PutObject", params | _condition(headers) | _description(headers)
    if method in {"GET", "HEAD"} and asked <= {"versionId"}:
        wanted = headers.get("range")
        return "GetObject", params | ({"Range": wanted} if wanted else {})
    return None


def _condition(headers: Mapping[str, str]) -> dict[str, Any]:
    return {"IfNoneMatch": headers["if-none-match"]} if "if-none-match" in headers else {}


def _description(headers: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Metadata": {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    }
    return found | ({"Tagging": headers["x-amz-tagging"]} if "x-amz-tagging" in headers else {})
