"""Wraps of S3."""

import html
import re
from http import HTTPStatus
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_version_listing", "wrap_version_ranges"]


def wrap_version_listing() -> None:
    """ListObjectVersions ignores ``encoding-type=url``: the provider decodes, and could never delete ``a+b``."""
    s3 = emulator.service("s3")
    original = expected(s3, "_list_object_versions", "(bucket_name: str, query_params: dict)")

    def encoded(found: re.Match[str]) -> str:
        return f"<{found[1]}>{s3._url_encode(html.unescape(found[2]))}</{found[1]}>"

    def list_object_versions(bucket_name: str, query_params: Any) -> Any:
        status, headers, body = original(bucket_name, query_params)
        if status == HTTPStatus.OK and s3._qp(query_params, "encoding-type", "") == "url":
            text = re.sub(r"<(Key|Prefix|Delimiter|KeyMarker|NextKeyMarker)>([^<]*)</\1>", encoded, body.decode())
            body = text.replace("<MaxKeys>", "<EncodingType>url</EncodingType><MaxKeys>", 1).encode()
        return status, headers, body

    s3._list_object_versions = list_object_versions


def wrap_version_ranges() -> None:
    """GetObject ignores ``Range`` when a version is named: a reader of parts gets the whole object each time."""
    s3 = emulator.service("s3")
    original = expected(s3, "_get_object", "(bucket_name: str, key: str, headers: dict, query_params: dict = None)")

    def get_object(bucket_name: str, key: str, headers: Any, query_params: Any = None) -> Any:
        status, answered, body = original(bucket_name, key, headers, query_params)
        wanted = headers.get("range", "") if s3._qp(query_params or {}, "versionId", "") else ""
        if status != HTTPStatus.OK or not wanted:
            return status, answered, body
        total = len(body)
        found = s3._parse_range(wanted, total)
        if found is None:
            refused = {"Content-Type": "application/xml", "Content-Range": f"bytes */{total}"}
            text = s3._xml_body(s3._range_error_xml(bucket_name, key))
            return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, refused, text
        start, end = found
        # A checksum of the whole would not fit the part.
        kept = {name: value for name, value in answered.items() if not name.lower().startswith("x-amz-checksum-")}
        part = body[start : end + 1]
        kept |= {"Content-Length": str(len(part)), "Content-Range": f"bytes {start}-{end}/{total}"}
        return HTTPStatus.PARTIAL_CONTENT, kept, part

    s3._get_object = get_object
