"""Rules that AWS's services enforce but that are not in their API models, each with its source.

The tests check every request against them, and the sandbox refuses a request that breaks one. To add a rule, add an
entry to the table of its service: a limit is one of `between`, `longest` and `matching`; anything else is a `Rule` with
a function that returns the error. Then add its two cases, at the limit and beyond it, to ``tests/sandbox/rules``.

Rules in botocore's model of the service are checked by `model`.
"""

from collections.abc import Iterator, Mapping
from functools import cache

from dropbatch.sandbox.rules.batch import JOB_RULES
from dropbatch.sandbox.rules.batch_resources import RESOURCE_RULES
from dropbatch.sandbox.rules.dynamodb import DYNAMODB_RULES
from dropbatch.sandbox.rules.messages import EVENTS_RULES, SNS_RULES, SQS_RULES
from dropbatch.sandbox.rules.rule import NOTHING, Known, Params, Rule, Violation
from dropbatch.sandbox.rules.s3 import LOGS_RULES, S3_RULES, SSM_RULES

__all__ = ["NOTHING", "RULES", "Known", "Rule", "Violation", "violations"]

RULES: Mapping[str, tuple[Rule, ...]] = {
    "batch": (*JOB_RULES, *RESOURCE_RULES),
    "dynamodb": DYNAMODB_RULES,
    "events": EVENTS_RULES,
    "logs": LOGS_RULES,
    "s3": S3_RULES,
    "sns": SNS_RULES,
    "sqs": SQS_RULES,
    "ssm": SSM_RULES,
}
"""Every rule, by service as boto3 names it."""


def violations(service: str, operation: str, params: Params, known: Known = NOTHING) -> Iterator[Violation]:
    """Return the rules that a request breaks.

    Args:
        service: as boto3 names it, such as ``batch``.
        operation: as AWS names it, such as ``SubmitJob``.
        params: in the form that boto3's client takes.
        known: resources that some rules need.
    """
    for rule in _rules_of(service, operation):
        for message in rule.check(params, known):
            yield Violation(rule=rule, request=f"{service}.{operation}", message=message)


@cache
def _rules_of(service: str, operation: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES.get(service, ()) if operation in rule.operations)
