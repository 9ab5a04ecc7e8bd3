from typing import Any

import pytest

from dropbatch.sandbox.incoming import Incoming, read


def s3(method: str, path: str, *, body: bytes = b"", query: dict[str, Any] | None = None, **headers: str) -> Incoming:
    return Incoming(method, path, {name.replace("_", "-"): value for name, value in headers.items()}, body, query or {})


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (s3("PUT", "/b/a/k", if_none_match="*"), ("PutObject", {"Key": "a/k", "IfNoneMatch": "*", "Metadata": {}})),
        (
            s3("PUT", "/b/k", query={"x-id": ["PutObject"], "X-Amz-Signature": ["s"]}, x_amz_meta_sha256="0"),
            ("PutObject", {"Key": "k", "Metadata": {"sha256": "0"}}),
        ),
        (s3("PUT", "/b/k", query={"tagging": [""]}), None),
        (s3("PUT", "/b", query={"versioning": [""]}), None),
        (
            s3("PUT", "/b/k", query={"partNumber": ["7"], "uploadId": ["u"]}),
            ("UploadPart", {"Key": "k", "PartNumber": 7}),
        ),
        (
            s3("GET", "/b/k", query={"versionId": ["v"]}, range="bytes=0-1"),
            ("GetObject", {"Key": "k", "Range": "bytes=0-1"}),
        ),
        (
            s3("POST", "/b", query={"delete": [""]}, body=b"<Delete><Object><Key>a&amp;b</Key></Object></Delete>"),
            ("DeleteObjects", {"Delete": {"Objects": [{"Key": "a&b"}]}}),
        ),
        (
            s3("POST", "/b/k", query={"uploadId": ["u"]}, body=b"<Part><PartNumber>2</PartNumber></Part>"),
            ("CompleteMultipartUpload", {"Key": "k", "MultipartUpload": {"Parts": [{"PartNumber": 2}]}}),
        ),
        (s3("DELETE", "/b/k"), None),
    ],
)
def test_a_request_to_s3_is_parsed_into_call_and_rule_arguments(
    request_: Incoming, found: tuple[str, dict[str, Any]] | None
) -> None:
    assert read("s3", request_) == found


@pytest.mark.parametrize(
    ("target", "body", "found"),
    [
        ("DynamoDB_20120810.GetItem", b'{"TableName": "t", "Key": null}', ("GetItem", {"TableName": "t"})),
        ("DynamoDB_20120810.GetItem", b"[]", None),
        ("DynamoDB_20120810.GetItem", b"{", None),
        ("", b"{}", None),
    ],
)
def test_a_json_request_is_parsed_into_operation_and_members(
    target: str, body: bytes, found: tuple[str, dict[str, Any]] | None
) -> None:
    assert read("dynamodb", Incoming("POST", "/", {"x-amz-target": target}, body, {})) == found


def test_a_form_request_is_parsed_into_fields() -> None:
    form = Incoming("POST", "/", {}, b"Action=Publish&Version=2010-03-31&Subject=a+b&Message=", {})

    assert read("sns", form) == ("Publish", {"Version": "2010-03-31", "Subject": "a b", "Message": ""})
    assert read("sns", form._replace(body=b"nothing")) is None
