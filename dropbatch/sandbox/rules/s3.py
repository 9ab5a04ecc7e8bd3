"""Rules of S3 for objects, and of services with only one or two calls in use."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from urllib.parse import parse_qsl

from dropbatch.sandbox.rules import rule
from dropbatch.sandbox.rules.rule import Known, Params, Rule, text_bytes, values

__all__ = ["LOGS_RULES", "S3_RULES", "SSM_RULES"]

_API = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_"
_GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
_OBJECT = (
    *("PutObject", "GetObject", "HeadObject", "DeleteObject", "CopyObject", "CreateMultipartUpload", "UploadPart"),
    *("CompleteMultipartUpload", "AbortMultipartUpload", "ListParts"),
)
_WRITING = ("PutObject", "CopyObject", "CreateMultipartUpload")
_MOST_METADATA_BYTES = 2048
_MOST_UPLOAD_BYTES = 5 * 1024**3

_between = partial(rule.between, code="InvalidArgument")
_longest = partial(rule.longest, code="KeyTooLongError", source=f"{_GUIDE}object-keys.html", unit="bytes")


def _metadata(params: Params, known: Known) -> Iterator[str]:
    size = sum(text_bytes(name) + text_bytes(value) for name, value in (params.get("Metadata") or {}).items())
    if size > _MOST_METADATA_BYTES:
        yield f"Metadata: at most {_MOST_METADATA_BYTES:,} bytes of names and values, got {size:,}"


def _tagging(params: Params, known: Known) -> Iterator[str]:
    tags = parse_qsl(params.get("Tagging") or "", keep_blank_values=True)
    if len(tags) > 10:
        yield f"Tagging: at most 10 tags, got {len(tags)}"
    if len(dict(tags)) != len(tags):
        yield "Tagging: each key once"
    for key, value in tags:
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            yield f"Tagging: a key of 1 to 128 characters, not aws:, and a value of at most 256, got {key!r:.40}"


def _parts_in_order(params: Params, known: Known) -> Iterator[str]:
    numbers = [number for _, number in values(params, "MultipartUpload.Parts[].PartNumber")]
    if any(after <= before for before, after in pairwise(numbers)):
        yield "MultipartUpload.Parts: part numbers must ascend"


def _some_parts(params: Params, known: Known) -> Iterator[str]:
    if not (params.get("MultipartUpload") or {}).get("Parts"):
        yield "MultipartUpload.Parts: at least one part"


def _body(params: Params, known: Known) -> Iterator[str]:
    body = params.get("Body")
    size = len(body) if isinstance(body, (bytes, bytearray, str)) else params.get("ContentLength") or 0
    if size > _MOST_UPLOAD_BYTES:
        yield f"Body: at most {_MOST_UPLOAD_BYTES:,} bytes in one request, got {size:,}"


def _deleted(params: Params, known: Known) -> Iterator[str]:
    count = len((params.get("Delete") or {}).get("Objects") or ())
    if not 1 <= count <= 1000:
        yield f"Delete.Objects: 1 to 1,000 in a request, got {count}"


def _one_range(params: Params, known: Known) -> Iterator[str]:
    wanted = params.get("Range")
    if wanted is not None and not re.fullmatch(r"bytes=(\d+-\d*|-\d+)", wanted):
        yield f"Range: one range of bytes, got {wanted!r}"


S3_RULES: tuple[Rule, ...] = (
    _longest("length of a key", _OBJECT, "Key", 1024),
    _longest("length of a key", ("DeleteObjects",), "Delete.Objects[].Key", 1024),
    rule.matching(
        "only if nothing is there",
        ("PutObject", "CompleteMultipartUpload"),
        "IfNoneMatch",
        r"\*",
        "*",
        source=f"{_API}PutObject.html",
        code="NotImplemented",
    ),
    Rule(
        name="size of metadata",
        operations=_WRITING,
        check=_metadata,
        source=f"{_GUIDE}UsingMetadata.html",
        code="MetadataTooLarge",
    ),
    Rule(
        name="tags",
        operations=_WRITING,
        check=_tagging,
        source=f"{_GUIDE}object-tagging.html",
        code="InvalidTag",
    ),
    _between("part number", ("UploadPart",), "PartNumber", 1, 10_000, source=f"{_API}UploadPart.html"),
    _between(
        "part number",
        ("CompleteMultipartUpload",),
        "MultipartUpload.Parts[].PartNumber",
        1,
        10_000,
        source=f"{_API}CompletedPart.html",
    ),
    Rule(
        name="parts in order",
        operations=("CompleteMultipartUpload",),
        check=_parts_in_order,
        source=f"{_API}CompleteMultipartUpload.html",
        code="InvalidPartOrder",
    ),
    Rule(
        name="some parts",
        operations=("CompleteMultipartUpload",),
        check=_some_parts,
        source=f"{_API}CompletedMultipartUpload.html",
        code="MalformedXML",
    ),
    Rule(
        name="size of an upload",
        operations=("PutObject", "UploadPart"),
        check=_body,
        source=f"{_GUIDE}qfacts.html",
        code="EntityTooLarge",
    ),
    Rule(
        name="objects deleted at once",
        operations=("DeleteObjects",),
        check=_deleted,
        source=f"{_API}DeleteObjects.html",
        code="MalformedXML",
    ),
    Rule(
        name="one range",
        operations=("GetObject",),
        check=_one_range,
        source=f"{_API}GetObject.html",
        code="InvalidArgument",
    ),
)


def _one_group(params: Params, known: Known) -> Iterator[str]:
    if ("logGroupName" in params) == ("logGroupIdentifier" in params):
        yield "exactly one of logGroupName and logGroupIdentifier must be given"


def _parameter_path(params: Params, known: Known) -> Iterator[str]:
    path = params.get("Path") or ""
    if not path.startswith("/") or path.count("/") > 15:
        yield f"Path: must begin with / and have at most 15 levels, got {path!r}"


_SSM_API = "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_"

LOGS_RULES: tuple[Rule, ...] = (
    Rule(
        name="one log group",
        operations=("GetLogEvents",),
        check=_one_group,
        source="https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html",
        code="InvalidParameterException",
    ),
)
SSM_RULES: tuple[Rule, ...] = (
    Rule(
        name="path of parameters",
        operations=("GetParametersByPath",),
        check=_parameter_path,
        source=f"{_SSM_API}GetParametersByPath.html",
        code="ValidationException",
    ),
    rule.matching(
        "no spaces in a name",
        ("GetParameter",),
        "Name",
        r"\s*\S+\s*",
        "a name without spaces",
        source=f"{_SSM_API}GetParameter.html",
        code="ValidationException",
    ),
)
