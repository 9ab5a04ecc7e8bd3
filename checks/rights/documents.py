"""Extract the policy documents of synthesized stacks, with references to other resources resolved to ARNs."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from checks.rights import reference

__all__ = ["Document", "UnreadableError", "documents"]

Json = Mapping[str, Any]

_ATTRIBUTES = ("access_policy", "assume_role_policy", "policy", "policy_document")
"""Attributes of Terraform resources that contain a policy. Other attributes with a `Statement` are included too."""

_ARNS = {
    "aws_batch_job_queue": ("batch", "job-queue"),
    "aws_cloudwatch_event_rule": ("events", "rule-on-default-event-bus"),
    "aws_cloudwatch_log_group": ("logs", "log-group"),
    "aws_dynamodb_table": ("dynamodb", "table"),
    "aws_ecr_repository": ("ecr", "repository"),
    "aws_iam_openid_connect_provider": ("iam", "oidc-provider"),
    "aws_iam_policy": ("iam", "policy"),
    "aws_iam_role": ("iam", "role"),
    "aws_kms_key": ("kms", "key"),
    "aws_lambda_function": ("lambda", "function"),
    "aws_s3_bucket": ("s3", "bucket"),
    "aws_sns_topic": ("sns", "topic"),
    "aws_sqs_queue": ("sqs", "queue"),
    "aws_ssm_parameter": ("ssm", "parameter"),
}
"""Service and resource type in the Service Authorization Reference, by Terraform type, of referenced resources."""


class UnreadableError(ValueError):
    """A policy has a form that cannot be checked."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A policy and the resource that contains it."""

    stack: str
    resource: str
    """``type.Construct_path.attribute``, without hashes."""
    statements: tuple[Json, ...]


def documents(stack: str, body: Json) -> Iterator[Document]:
    """Yield every policy in the Terraform configuration of a stack.

    Raises:
        UnreadableError: a policy is not JSON text, or refers to something of an unknown type.
    """
    for type_, resources in body.get("resource", {}).items():
        for id_, resource in resources.items():
            where = f"{type_}.{re.sub('_[0-9A-F]{8}$', '', id_)}"
            if type_ == "aws_lambda_permission":
                yield Document(stack=stack, resource=where, statements=(_permission(resource, where),))
            for attribute, text in _texts(resource):
                statements = _statements(text, f"{stack}: {where}.{attribute}", attribute)
                if statements:
                    yield Document(stack=stack, resource=f"{where}.{attribute}", statements=statements)


def _texts(body: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(body, str):
        if name in _ATTRIBUTES or '"Statement"' in body:
            yield name, body
    elif isinstance(body, Mapping):
        for key, value in body.items():
            yield from _texts(value, key)
    elif isinstance(body, list):
        for value in body:
            yield from _texts(value, name)


def _statements(text: str, where: str, attribute: str) -> tuple[Json, ...]:
    try:
        found = json.loads(_resolved(text, where))
    except ValueError as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(
            f"{where}: {attribute} must be JSON text, got {text[:60]!r}: make it with constructs_lib.policy.policy_json"
        ) from None
    given = found.get("Statement", ()) if isinstance(found, dict) else ()
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


def _permission(resource: Json, where: str) -> Json:
    """Return the policy statement that Lambda creates for a permission.

    https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
    """
    source = resource.get("source_arn")
    return {
        "Sid": resource.get("statement_id", ""),
        "Effect": "Allow",
        "Principal": {"Service": resource["principal"]},
        "Action": resource["action"],
        "Resource": _filled(reference.resource_format("lambda", "function"), "named"),
        "Condition": {} if source is None else {"ArnLike": {"aws:SourceArn": _resolved(source, where)}},
    }


def _resolved(text: str, where: str) -> str:
    def value(found: re.Match[str]) -> str:
        kind, *_, attribute = found[1].removeprefix("data.").split(".")
        if kind == "aws_caller_identity":
            return "123456789012"
        if kind == "aws_partition":
            return "aws"
        if attribute != "arn":
            return "named"
        if kind not in _ARNS:
            raise UnreadableError(
                f"{where}: a policy must refer to resources whose ARN is known here, got {kind}: add it to _ARNS in "
                "checks/rights/documents.py"
            )
        return _filled(reference.resource_format(*_ARNS[kind]), "named")

    return re.sub(r"\$\{([^}]*)\}", value, text)


def _filled(form: str, name: str) -> str:
    known = {"Partition": "aws", "Region": "eu-central-1", "Account": "123456789012"}
    return re.sub(r"\$\{(\w+)\}", lambda found: known.get(found[1], name), form)
