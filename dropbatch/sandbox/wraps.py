"""Where MiniStack differs from AWS in ways that matter here, and what the sandbox does about it: every wrap.

Each names the gap, replaces one function of MiniStack and first asserts that this function still looks as it did in
the version the wrap was written for. `tests/sandbox/test_wraps.py` shows each gap and its repair.
"""

import html
import inspect
import json
import os
import re
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from dropbatch.sandbox import emulator, machine_objects
from dropbatch.sandbox.alarm_xml import alarm_xml
from dropbatch.sandbox.batch.errors import BatchError
from dropbatch.sandbox.batch.service import BatchService
from dropbatch.sandbox.batch.shapes import operation_of
from dropbatch.sandbox.emulator import MINISTACK
from dropbatch.sandbox.emulator import expected as _expected
from dropbatch.sandbox.errors import WrapError
from dropbatch.sandbox.grants import Recorder
from dropbatch.sandbox.leading_keys import leading_keys
from dropbatch.sandbox.mail import MailBox
from dropbatch.sandbox.wraps_deploy import (
    wrap_budget_actions,
    wrap_deploy_context,
    wrap_deploy_resources,
    wrap_network_tags,
)

__all__ = ["MINISTACK", "authorized", "check_version", "install"]

_MOST_LAMBDA_BYTES = 6 * 1024 * 1024
_RECORD_BYTES = 700  # what Lambda's event adds around a message's body


def check_version() -> None:
    """The wraps reach into MiniStack's inside, so its version is pinned."""
    found = version("ministack")
    if found != MINISTACK:
        raise WrapError(f"the sandbox needs ministack {MINISTACK}, found {found}; run `make` to install the pinned one")


def install(batch: BatchService, mail: MailBox, grants: Recorder) -> None:
    """Put all wraps in place."""
    check_version()
    wrap_deploy_resources()
    wrap_deploy_context()
    wrap_budget_actions()
    wrap_network_tags()
    wrap_batch_resources(batch)
    wrap_owner_key()
    wrap_denials()
    wrap_leading_keys()
    wrap_sqs_batches()
    wrap_version_listing()
    wrap_version_ranges()
    wrap_wildcards()
    wrap_transport()
    wrap_alarm_listing()
    wrap_missing_dashboards()
    wrap_machine_objects()
    wrap_mail(mail)
    wrap_grants(grants)


def wrap_batch_resources(batch: BatchService) -> None:
    """IAM asks for ``*`` on every Batch call: give it the resource; the further ones are checked by `authorized`."""
    actions = emulator.module("core.iam_actions")
    original = _expected(
        actions,
        "extract_resource_arn",
        "(service: str, method: str, path: str, headers: dict, body: bytes, "
        "query_params: dict, region: str, account_id: str) -> str",
    )

    def extract_resource_arn(service: str, method: str, path: str, headers: Any, body: bytes, *others: Any) -> Any:
        if service == "batch":
            query, _, _ = others
            return _checks(batch, method, path, body, query)[0][1]
        return original(service, method, path, headers, body, *others)

    actions.extract_resource_arn = extract_resource_arn


def authorized(batch: BatchService) -> Callable[..., Any]:
    """The handler of Batch requests behind IAM's checks on every resource after the first."""
    evaluator, actions = emulator.module("core.iam_evaluator"), emulator.module("core.iam_actions")
    router = emulator.module("core.router")

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        key = router.extract_access_key_id(headers, query)
        for action, arn in _checks(batch, method, path, body, query)[1:]:
            denied = evaluator.enforce(key, action, "batch", batch.region, resource_arn=arn)
            if denied is not None:
                deny = denied.decision == "Deny"
                return actions.access_denied_response(
                    "batch", action, denied.principal_arn, "", headers=headers, resource_arn=arn, explicit_deny=deny
                )
        return await batch.handle_request(method, path, headers, body, query)

    return handle


def _checks(batch: BatchService, method: str, path: str, body: bytes, query: Any) -> list[tuple[str, str]]:
    try:
        operation, _ = operation_of(method, path, query)
        return batch.checks(operation, path, body)
    except BatchError:
        return [("batch:Unknown", "*")]


def wrap_owner_key() -> None:
    """The account's owner is known by the key id alone, whatever the secret, or by ``test``: check the signature."""
    evaluator = emulator.module("core.iam_evaluator")
    _expected(evaluator, "is_root_access_key", "(access_key_id: str) -> bool")
    # MiniStack asks this one before it looks at a signature, and skips that for root keys.
    _expected(evaluator, "_is_root_key", "(access_key_id: str) -> bool")
    owner = os.environ["AWS_ACCESS_KEY_ID"]
    evaluator.is_root_access_key = lambda access_key_id: access_key_id == owner
    evaluator._is_root_key = lambda access_key_id: False


def wrap_denials() -> None:
    """Most denials do not name the resource, which AWS does and a person looking for a missing right needs."""
    actions = emulator.module("core.iam_actions")
    original = _expected(
        actions,
        "access_denied_response",
        "(service: str, action: str, principal_arn: str, request_id: str, *, error_code: str = '', "
        "message: str = '', headers: dict | None = None, resource_arn: str = '*', explicit_deny: bool = False, "
        "resource_policy_arn: str = '') -> tuple",
    )

    def access_denied_response(service: str, action: str, principal: str, request_id: str, **named: Any) -> Any:
        if not (named.get("error_code") or named.get("message") or named.get("resource_policy_arn")):
            arn, deny = named.get("resource_arn", "*"), named.get("explicit_deny", False)
            named["message"] = actions.identity_denial_message(action, principal, arn, deny)
        return original(service, action, principal, request_id, **named)

    actions.access_denied_response = access_denied_response


def wrap_leading_keys() -> None:
    """``dynamodb:LeadingKeys`` is never evaluated: put the request's partition keys into its context."""
    actions, dynamodb = emulator.module("core.iam_actions"), emulator.service("dynamodb")
    original = _expected(actions, "dynamodb_service_context", "(body: bytes) -> dict")

    def key_of(table: str, index: str | None) -> str | None:
        found = dynamodb._tables.get(table.rsplit("/", 1)[-1])
        if not found:
            return None
        if index is None:
            return str(found["pk_name"])
        indexes = (found.get("GlobalSecondaryIndexes") or []) + (found.get("LocalSecondaryIndexes") or [])
        schemas = [each["KeySchema"] for each in indexes if each["IndexName"] == index]
        return next((key["AttributeName"] for keys in schemas for key in keys if key["KeyType"] == "HASH"), None)

    def dynamodb_service_context(body: bytes) -> Any:
        context = original(body)
        try:
            keys = leading_keys(json.loads(body or b"{}"), key_of)
        except (ValueError, AttributeError, TypeError):
            keys = []
        return {**context, "dynamodb:LeadingKeys": keys} if keys else context

    actions.dynamodb_service_context = dynamodb_service_context


def wrap_transport() -> None:
    """Requests come by plain HTTP, which our policies refuse (``aws:SecureTransport``): the loopback counts as TLS."""
    app = emulator.module("app")
    original = _expected(app, "pin_request_origin", "(source_ip: str, secure_transport: bool) -> None")

    def pin_request_origin(source_ip: str, secure_transport: bool) -> None:
        original(source_ip, True)

    app.pin_request_origin = pin_request_origin


def wrap_sqs_batches() -> None:
    """An SQS event source gives a function at most 10 messages and knows no window: honour size, window and 6 MB."""
    sqs, lambdas = emulator.service("sqs"), emulator.service("lambda_svc")
    wake = emulator.module("core.concurrency").esm_wake
    original = _expected(sqs, "_receive_messages_for_esm", "(queue_url: str, max_number: int) -> list[dict]")
    due: dict[str, float] = {}

    def window_of(queue: dict[str, Any]) -> float:
        arn = queue["attributes"]["QueueArn"]
        mapping: dict[str, Any] = next(
            (each for each in lambdas._esms.values() if each.get("EventSourceArn") == arn), {}
        )
        return float(mapping.get("MaximumBatchingWindowInSeconds") or 0)

    def receive(queue_url: str, most: int) -> Any:
        with sqs._queues_lock:
            queue = sqs._get_q(queue_url)
            if not queue["is_fifo"]:
                sqs._expire_retained(queue)
                sqs._dlq_sweep(queue)
                now = time.time()
                visible = [each for each in queue["messages"] if each.get("visible_at", 0) <= now]
                count, full = _fitting(visible, most)
                left = window_of(queue) - (now - _waiting_since(visible)) if visible and not full else 0
                if left <= 0:
                    due.pop(queue_url, None)
                    return sqs._collect_msgs(queue, count, int(queue["attributes"].get("VisibilityTimeout", "30")))
                if due.get(queue_url, 0) < now:
                    # MiniStack looks once a second; the window ends in between.
                    due[queue_url] = now + left
                    threading.Timer(left, wake.set).start()
                return []
        return original(queue_url, most)

    sqs._receive_messages_for_esm = receive


def _fitting(messages: list[dict[str, Any]], most: int) -> tuple[int, bool]:
    """How many of the messages go into one event, and whether that event is full."""
    size = 0
    for count, message in enumerate(messages[:most]):
        size += _RECORD_BYTES + len(json.dumps(message["body"]))
        if size > _MOST_LAMBDA_BYTES:
            return max(count, 1), True
    return min(len(messages), most), len(messages) >= most


def _waiting_since(messages: list[dict[str, Any]]) -> float:
    return min(float(max(each.get("visible_at", 0), each.get("sent_at", 0))) for each in messages)


def wrap_version_listing() -> None:
    """ListObjectVersions ignores ``encoding-type=url``: the provider decodes, and could never delete ``a+b``."""
    s3 = emulator.service("s3")
    original = _expected(s3, "_list_object_versions", "(bucket_name: str, query_params: dict)")

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
    original = _expected(s3, "_get_object", "(bucket_name: str, key: str, headers: dict, query_params: dict = None)")

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


def wrap_wildcards() -> None:
    """``*`` in a policy does not match a line break, which a key may hold."""
    evaluator = emulator.module("core.iam_evaluator")
    original = _expected(evaluator, "_fnmatch_compile", "(pattern: str, ignore_case: bool) -> re.Pattern")

    def compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        found = original(pattern, ignore_case)
        return re.compile(found.pattern, found.flags | re.DOTALL)

    evaluator._fnmatch_compile = compiled


def wrap_alarm_listing() -> None:
    """DescribeAlarms leaves out most fields in its XML, which the provider reads: it would set them again each time."""
    cloudwatch = emulator.service("cloudwatch")
    original = _expected(cloudwatch, "_describe_alarms", "(params, cbor_data, is_cbor, is_json=False)")

    def describe_alarms(params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        status, headers, body = original(params, cbor_data, is_cbor, is_json)
        if is_cbor or is_json or status != HTTPStatus.OK:
            return status, headers, body
        found = re.compile(r"<member><AlarmName>([^<]*)</AlarmName>(?:(?!<AlarmRule>|</member>).)*</member>", re.DOTALL)
        text = found.sub(lambda match: alarm_xml(cloudwatch._alarms[match[1]]), body.decode())
        return status, headers, text.encode()

    cloudwatch._describe_alarms = describe_alarms


def wrap_missing_dashboards() -> None:
    """A missing dashboard is ``ResourceNotFound`` in AWS's XML: by another name, a deletion asked twice would fail."""
    cloudwatch = emulator.service("cloudwatch")
    original = _expected(cloudwatch, "_delete_dashboards", "(params, cbor_data, is_cbor, is_json=False)")

    def delete_dashboards(params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        status, headers, body = original(params, cbor_data, is_cbor, is_json)
        if not is_cbor and not is_json:
            body = body.replace(b"<Code>DashboardNotFoundError</Code>", b"<Code>ResourceNotFound</Code>")
        return status, headers, body

    cloudwatch._delete_dashboards = delete_dashboards


def wrap_machine_objects() -> None:
    """State machines can copy and list objects, but neither read nor write one."""
    states = emulator.service("stepfunctions")
    original = _expected(states, "_dispatch_aws_sdk_rest_xml", "(service_info, service_name, action, input_data)")

    def dispatch(service_info: Any, service_name: str, action: str, input_data: Any) -> Any:
        if service_name == "s3" and action in machine_objects.ACTIONS:
            return machine_objects.call(action, input_data, states.REGION)
        return original(service_info, service_name, action, input_data)

    states._dispatch_aws_sdk_rest_xml = dispatch


def wrap_mail(box: MailBox) -> None:
    """SNS drops mail: keep it. MiniStack takes e-mail subscriptions as confirmed, so Terraform sees no drift."""
    sns = emulator.service("sns")
    original = _expected(
        sns,
        "_fanout",
        "(topic_arn: str, msg_id: str, message: str, subject: str, message_structure: str = '', "
        "message_attributes: dict | None = None, message_group_id: str = '', message_dedup_id: str = '')",
    )

    def fan_out(*args: Any, **named: Any) -> None:
        original(*args, **named)
        bound = inspect.signature(original).bind(*args, **named)
        bound.apply_defaults()
        given = bound.arguments
        topic = sns._topic_by_arn_any_scope(given["topic_arn"]) or {}
        for subscription in topic.get("subscriptions", []):
            if subscription["protocol"] in {"email", "email-json"} and subscription["confirmed"]:
                protocol = subscription["protocol"]
                text = sns._resolve_message_for_protocol(given["message"], given["message_structure"], protocol)
                if sns._matches_filter_policy(subscription, given["message_attributes"] or {}, text):
                    box.record(
                        to=subscription["endpoint"],
                        subject=_subject(given["subject"]),
                        body=_as_sent(text),
                        topic_arn=given["topic_arn"],
                    )

    sns._fanout = fan_out


def wrap_grants(recorder: Recorder) -> None:
    """Nobody keeps which rights were used: record each call that a role's policies allow."""
    evaluator = emulator.module("core.iam_evaluator")
    original = _expected(
        evaluator,
        "evaluate",
        "(ctx: ministack.core.iam_evaluator.EvalContext, policies: "
        "list[list[ministack.core.iam_evaluator.ParsedStatement]], "
        "*limits: list[list[ministack.core.iam_evaluator.ParsedStatement]]) -> "
        "ministack.core.iam_evaluator.EvalResult",
    )

    def evaluate(ctx: Any, policies: Any, *limits: Any) -> Any:
        result = original(ctx, policies, *limits)
        if result.decision == "Allow":
            recorder.record(ctx.principal_arn, ctx.action, ctx.resource_arn)
        return result

    evaluator.evaluate = evaluate


def _subject(subject: str) -> str:
    """AWS's subject when the publisher gave none; EventBridge gives none, though MiniStack makes one up for it."""
    return "AWS Notification Message" if subject in {"", "EventBridge Notification"} else subject


def _as_sent(text: str) -> str:
    """EventBridge passes on a JSON string with its quotes and with its characters as they are, not escaped."""
    return json.dumps(json.loads(text), ensure_ascii=False) if re.fullmatch(r'"(\\.|[^"\\])*"', text) else text
