"""Read and write S3 objects for state machines: ``aws-sdk:s3:getObject`` and ``aws-sdk:s3:putObject``.

Source: Step Functions developer guide, "Learning to use AWS service SDK integrations": the body of an object is
returned as text, and a body that is not text is written as JSON.
"""

import json
import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from dropbatch.sandbox import emulator

__all__ = ["ACTIONS", "call"]

ACTIONS = {"getObject": "GET", "putObject": "PUT"}
"""Method of each call."""


def call(action: str, arguments: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Perform a call of `ACTIONS` for a state machine, as the account's owner; the machine's role is not checked.

    Raises:
        MiniStack's execution error, with the SDK's name, such as ``S3.NoSuchKeyException``.
    """
    states, app = emulator.service("stepfunctions"), emulator.module("app")
    account = os.environ["AWS_ACCESS_KEY_ID"]
    headers = {
        "host": f"s3.{region}.amazonaws.com",
        "authorization": f"AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/s3/aws4_request",
    }
    body = b""
    if action == "putObject":
        given = arguments.get("Body", "")
        body = (given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)).encode()
        headers |= {"content-length": str(len(body)), "content-type": arguments.get("ContentType", "text/plain")}
    query = {"versionId": arguments["VersionId"]} if "VersionId" in arguments else {}
    path = f"/{arguments['Bucket']}/{arguments['Key']}"
    status, answered, content = app.call_service_handler_sync(
        app.SERVICE_HANDLERS["s3"], ACTIONS[action], path, headers, body, query
    )
    if status >= HTTPStatus.BAD_REQUEST:
        said = dict(re.findall(rb"<(Code|Message)>([^<]*)</", content))
        raise states._ExecutionError(
            f"S3.{said.get(b'Code', b'S3').decode()}Exception", said.get(b"Message", b"").decode()
        )
    given = {name.lower(): value for name, value in answered.items()}
    result = {"ETag": given.get("etag", ""), "VersionId": given.get("x-amz-version-id", "")}
    if action == "getObject":
        result |= {"Body": content.decode(), "ContentLength": len(content)}
    return result
