"""Wraps of S3."""

import functools
import html
import mmap
import re
from contextvars import ContextVar
from http import HTTPStatus
from pathlib import Path
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_hidden_objects", "wrap_version_listing", "wrap_version_ranges"]

_MAPPED_FROM = 2**20
_getting: ContextVar[bool] = ContextVar("getting", default=False)


def wrap_version_listing() -> None:
    """Honour ``encoding-type=url`` in ListObjectVersions: the provider decodes keys, and could not delete ``a+b``."""
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
    """Honour ``Range`` in GetObject with a version, and read only that part from disk."""
    s3 = emulator.service("s3")
    _map_bodies(s3)
    original = expected(s3, "_get_object", "(bucket_name: str, key: str, headers: dict, query_params: dict = None)")

    @functools.wraps(original)
    def get_object(bucket_name: str, key: str, headers: Any, query_params: Any = None) -> Any:
        mark = _getting.set(True)
        try:
            status, answered, body = original(bucket_name, key, headers, query_params)
        finally:
            _getting.reset(mark)
        wanted = headers.get("range", "") if s3._qp(query_params or {}, "versionId", "") else ""
        if status != HTTPStatus.OK or not wanted:
            return status, answered, bytes(body) if isinstance(body, mmap.mmap) else body
        total = len(body)
        found = s3._parse_range(wanted, total)
        if found is None:
            refused = {"Content-Type": "application/xml", "Content-Range": f"bytes */{total}"}
            text = s3._xml_body(s3._range_error_xml(bucket_name, key))
            return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, refused, text
        start, end = found
        # The checksum of the entire object would not match the part.
        kept = {name: value for name, value in answered.items() if not name.lower().startswith("x-amz-checksum-")}
        part = body[start : end + 1]
        kept |= {"Content-Length": str(len(part)), "Content-Range": f"bytes {start}-{end}/{total}"}
        return HTTPStatus.PARTIAL_CONTENT, kept, part

    s3._get_object = get_object


def _map_bodies(s3: Any) -> None:
    """Map object files into memory instead of reading them, so that a range costs only its own size."""
    original = expected(s3, "_read_body", "(bucket_name: str, key: str, obj: dict) -> bytes")

    def read_body(bucket_name: str, key: str, obj: Any) -> Any:
        path = s3._object_disk_path(bucket_name, key) if _getting.get() and obj.get("body") is None else None
        if path is None or not Path(path).is_file() or Path(path).stat().st_size < _MAPPED_FROM:
            return original(bucket_name, key, obj)
        with Path(path).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    s3._read_body = read_body


def wrap_hidden_objects() -> None:
    """Return "access denied" for a missing object to a caller without ListBucket; MiniStack returns 404.

    Permission to list a prefix does not suffice: a request for one object has no prefix.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    s3, router = emulator.service("s3"), emulator.module("core.router")
    evaluator = emulator.module("core.iam_evaluator")
    for name, signature in (
        ("_get_object", "(bucket_name: str, key: str, headers: dict, query_params: dict = None)"),
        ("_head_object", "(bucket_name: str, key: str, headers: dict | None = None, query_params: dict | None = None)"),
    ):
        original = expected(s3, name, signature)

        @functools.wraps(original)
        def hidden(bucket: str, key: str, headers: Any = None, query: Any = None, original: Any = original) -> Any:
            answer = original(bucket, key, headers, query)
            # A missing version follows another rule.
            if answer[0] != HTTPStatus.NOT_FOUND or s3._qp(query or {}, "versionId", "") or bucket not in s3._buckets:
                return answer
            who, region = (
                find(headers or {}, query or {}) for find in (router.extract_access_key_id, router.extract_region)
            )
            if evaluator.enforce(who, "s3:ListBucket", "s3", region, resource_arn=f"arn:aws:s3:::{bucket}") is None:
                return answer
            return s3._error("AccessDenied", "Access Denied", HTTPStatus.FORBIDDEN, f"/{bucket}/{key}")

        setattr(s3, name, hidden)
