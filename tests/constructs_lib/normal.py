"""Normalize a stack for a snapshot: replace versions, metadata, digests of code and encodings."""

import base64
import json
import re
from typing import Any

_DIGESTS = (
    (re.compile(r"^(assets/\w+_)[0-9A-F]{8}/[0-9a-f]{64}/"), r"\1<id>/<digest>/"),
    (re.compile(r"\b(wordcount)-[0-9a-f]{24}\b"), r"\1-<digest>"),
)


def normal(body: Any, key: str = "") -> Any:
    """Return a stack without irrelevant differences, and with nested JSON and user data decoded."""
    if isinstance(body, dict):
        return {
            name: "<version>" if key == "aws" and name == "version" else normal(value, name)
            for name, value in body.items()
            if name != "//"
        }
    if isinstance(body, list):
        return [normal(each, key) for each in body]
    if not isinstance(body, str):
        return body
    if key == "source_code_hash":
        return "<digest>"
    if key == "user_data":
        return base64.b64decode(body).decode().splitlines()
    if body.startswith(('{"', "[")):
        return {"<json>": normal(json.loads(body))}
    for pattern, replacement in _DIGESTS:
        body = pattern.sub(replacement, body)
    return body
