"""A wrap of EventBridge."""

import json
import logging
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_event_delivery"]

log = logging.getLogger("dropbatch")

_SERVICE = "events.amazonaws.com"
_ACTIONS = {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}


def wrap_event_delivery() -> None:
    """Check permissions when EventBridge delivers to queues and topics; MiniStack ignores all policies.

    The target's role is checked if it has one, else the resource policy: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    """
    bridge = emulator.service("eventbridge")
    original = expected(bridge, "_invoke_target", "(target, event, rule, view=None)")

    def invoke_target(target: Any, event: Any, rule: Any, view: Any = None) -> Any:
        service = str(target.get("Arn", "")).split(":")[2:3]
        if service and service[0] in _ACTIONS and not _is_allowed(target, service[0], (rule or {}).get("Arn", "")):
            log.warning("EventBridge may not deliver to %s: FailedInvocations of %s", target["Arn"], rule)
            return None
        return original(target, event, rule, view)

    bridge._invoke_target = invoke_target


def _is_allowed(target: Any, service: str, rule_arn: str) -> bool:
    account = emulator.module("core.responses").get_account_id()
    if role_arn := target.get("RoleArn"):
        return _role_allows(str(role_arn).rpartition("/")[2], _ACTIONS[service], target["Arn"], rule_arn, account)
    if service == "sqs":
        return bool(emulator.service("sqs").queue_policy_allows(target["Arn"], _SERVICE, rule_arn, account))
    # AWS does not support conditions in topic policies for EventBridge, so none can match.
    return bool(emulator.service("sns").topic_policy_allows(target["Arn"], _SERVICE, "", ""))


def _role_allows(role: str, action: str, resource: str, rule_arn: str, account: str) -> bool:
    evaluator, found = emulator.module("core.iam_evaluator"), emulator.service("iam")._roles.get(role)
    if found is None:
        return False
    region = rule_arn.split(":")[3]
    source = {"aws:sourcearn": rule_arn, "aws:sourceaccount": account}
    trusted = evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="sts:AssumeRole",
        resource_arn="*",
        region=region,
        service_context=source,
    )
    asked = evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{role}/events",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=region,
    )
    trust = json.loads(found["AssumeRolePolicyDocument"])
    named = {**trust, "Statement": [{**each, "Resource": "*"} for each in trust["Statement"]]}  # none has a resource
    if evaluator.evaluate_resource_policy(named, trusted, service=_SERVICE).decision != "Allow":
        return False
    return bool(evaluator.evaluate(asked, evaluator._gather_role_policies(role, account)).decision == "Allow")
