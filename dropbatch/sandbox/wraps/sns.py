"""A wrap of SNS."""

import inspect
import json
import re
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.emulator import expected
from dropbatch.sandbox.mail import MailBox

__all__ = ["wrap_mail"]


def wrap_mail(box: MailBox) -> None:
    """Write SNS mail to files. MiniStack confirms e-mail subscriptions itself, so Terraform sees no drift."""
    sns = emulator.service("sns")
    original = expected(
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


def _subject(subject: str) -> str:
    """Return AWS's default subject if the publisher gave none; MiniStack adds one for EventBridge."""
    return "AWS Notification Message" if subject in {"", "EventBridge Notification"} else subject


def _as_sent(text: str) -> str:
    """Return the text as EventBridge sends it: a JSON string keeps its quotes, and its characters are unescaped."""
    return json.dumps(json.loads(text), ensure_ascii=False) if re.fullmatch(r'"(\\.|[^"\\])*"', text) else text
