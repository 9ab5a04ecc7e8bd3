"""Wraps of IAM: authentication, checked resources, condition keys and denial messages."""

import functools
import json
import os
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.batch.errors import BatchError
from dropbatch.sandbox.batch.service import BatchService
from dropbatch.sandbox.batch.shapes import operation_of
from dropbatch.sandbox.emulator import expected
from dropbatch.sandbox.grants import Recorder
from dropbatch.sandbox.leading_keys import leading_keys

__all__ = [
    "authorized",
    "wrap_batch_resources",
    "wrap_denials",
    "wrap_grants",
    "wrap_leading_keys",
    "wrap_log_streams",
    "wrap_owner_key",
    "wrap_transport",
    "wrap_users_credentials",
    "wrap_wildcards",
]

_RESOURCE = (
    "(service: str, method: str, path: str, headers: dict, body: bytes, "
    "query_params: dict, region: str, account_id: str) -> str"
)


def wrap_batch_resources(batch: BatchService) -> None:
    """Check the resource of a Batch call; MiniStack checks ``*``. `authorized` checks any further resources."""
    actions = emulator.module("core.iam_actions")
    original = expected(actions, "extract_resource_arn", _RESOURCE)

    def extract_resource_arn(service: str, method: str, path: str, headers: Any, body: bytes, *others: Any) -> Any:
        if service == "batch":
            query, _, _ = others
            return _checks(batch, method, path, body, query)[0][1]
        return original(service, method, path, headers, body, *others)

    actions.extract_resource_arn = extract_resource_arn


def wrap_log_streams() -> None:
    """Check the log stream in calls about a stream; MiniStack checks the log group."""
    actions = emulator.module("core.iam_actions")
    original = expected(actions, "extract_resource_arn", _RESOURCE)

    @functools.wraps(original)
    def extract_resource_arn(service: str, method: str, path: str, headers: Any, body: bytes, *others: Any) -> Any:
        arn = original(service, method, path, headers, body, *others)
        stream = actions._safe_json_field(body, "logStreamName") if service == "logs" else ""
        return f"{arn}:log-stream:{stream}" if stream else arn

    actions.extract_resource_arn = extract_resource_arn


def authorized(batch: BatchService) -> Callable[..., Any]:
    """Return the handler of Batch requests, preceded by IAM's checks of all resources after the first."""
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
    """Check the signature of the account's owner; MiniStack accepts any secret with the owner's key id or ``test``."""
    evaluator = emulator.module("core.iam_evaluator")
    expected(evaluator, "is_root_access_key", "(access_key_id: str) -> bool")
    # MiniStack calls this before it checks a signature, and skips the check for root keys.
    expected(evaluator, "_is_root_key", "(access_key_id: str) -> bool")
    owner = os.environ["AWS_ACCESS_KEY_ID"]
    evaluator.is_root_access_key = lambda access_key_id: access_key_id == owner
    evaluator._is_root_key = lambda access_key_id: False


def wrap_denials() -> None:
    """Name the resource in access-denied errors, as AWS does; MiniStack mostly omits it."""
    actions = emulator.module("core.iam_actions")
    original = expected(
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
    """Add ``dynamodb:LeadingKeys``, the request's partition keys, to IAM's context; MiniStack omits it."""
    actions, dynamodb = emulator.module("core.iam_actions"), emulator.service("dynamodb")
    original = expected(actions, "dynamodb_service_context", "(body: bytes) -> dict")

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
    """Treat plain HTTP on the loopback as TLS, because our policies require ``aws:SecureTransport``.

    AWS services call each other over TLS, so a call outside a request (an event of a job) counts as TLS too.
    """
    app, evaluator = emulator.module("app"), emulator.module("core.iam_evaluator")
    evaluator._request_origin = ContextVar("request_origin", default=("127.0.0.1", True))
    original = expected(app, "pin_request_origin", "(source_ip: str, secure_transport: bool) -> None")

    def pin_request_origin(source_ip: str, secure_transport: bool) -> None:
        original(source_ip, True)

    app.pin_request_origin = pin_request_origin


def wrap_wildcards() -> None:
    """Make ``*`` in a policy match line breaks, which a key may contain."""
    evaluator = emulator.module("core.iam_evaluator")
    original = expected(evaluator, "_fnmatch_compile", "(pattern: str, ignore_case: bool) -> re.Pattern")

    def compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        found = original(pattern, ignore_case)
        return re.compile(found.pattern, found.flags | re.DOTALL)

    evaluator._fnmatch_compile = compiled


def wrap_users_credentials() -> None:
    """Return three empty lists that Terraform reads before it deletes a user; MiniStack lacks these calls."""
    iam = emulator.service("iam")
    error = expected(iam, "_error", "(status, code, message, ns='iam')")
    answer = expected(iam, "_xml", "(status, root_tag, inner, ns='iam')")

    def none_of(call: str, member: str) -> Callable[[Any], Any]:
        def listed(params: Any) -> Any:
            user = iam._p(params, "UserName")
            if user and user not in iam._users:
                return error(404, "NoSuchEntity", f"The user with name {user} cannot be found.")
            inner = f"<{call}Result><{member}></{member}><IsTruncated>false</IsTruncated></{call}Result>"
            return answer(200, f"{call}Response", inner)

        return listed

    for call, member in (
        ("ListSSHPublicKeys", "SSHPublicKeys"),
        ("ListSigningCertificates", "Certificates"),
        ("ListServiceSpecificCredentials", "ServiceSpecificCredentials"),
    ):
        iam._IAM_HANDLERS[call] = none_of(call, member)


def wrap_grants(recorder: Recorder) -> None:
    """Record each call that a role's policies allow."""
    evaluator = emulator.module("core.iam_evaluator")
    original = expected(
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
