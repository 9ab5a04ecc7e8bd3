"""Rules of SQS, SNS and EventBridge."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from dropbatch.sandbox.rules import rule
from dropbatch.sandbox.rules.rule import Known, Params, Rule, text_bytes, values

__all__ = ["EVENTS_RULES", "SNS_RULES", "SQS_RULES"]

_SQS = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_"
_SNS = "https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"
_EVENTS = "https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_"
_INVALID = "InvalidParameterValue"
_MOST_MESSAGE_BYTES = 1_048_576
_MOST_NOTIFICATION_BYTES = 262_144
_MOST_EVENTS_BYTES = 1_048_576
_ALLOWED = re.compile(r"[\x09\x0A\x0D\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]*")
_ATTRIBUTE = re.compile(r"(?!(?i:AWS|Amazon)\.)(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)")
_BATCHES = ("SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
_SENT = ("SendMessage", "SendMessageBatch")

Check = Callable[[Params, Known], Iterator[str]]


def _messages(params: Params) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "Entries" in params:
        for index, entry in enumerate(params["Entries"]):
            yield f"Entries[{index}].", entry
    else:
        yield "", params


def _characters(params: Params, known: Known) -> Iterator[str]:
    for place, message in _messages(params):
        texts = {"MessageBody": message.get("MessageBody") or ""}
        for name, value in (message.get("MessageAttributes") or {}).items():
            texts[f"MessageAttributes.{name}"] = value.get("StringValue") or ""
        for member, text in texts.items():
            if not _ALLOWED.fullmatch(text):
                yield f"{place}{member}: a character that SQS does not take"


def _not_empty(params: Params, known: Known) -> Iterator[str]:
    for place, message in _messages(params):
        if not message.get("MessageBody"):
            yield f"{place}MessageBody: at least 1 character"


def _attributes_size(attributes: Any) -> int:
    return sum(
        text_bytes(name) + sum(text_bytes(value.get(part) or "") for part in ("DataType", "StringValue", "BinaryValue"))
        for name, value in (attributes or {}).items()
    )


def _message_size(params: Params, known: Known) -> Iterator[str]:
    total = sum(
        text_bytes(message.get("MessageBody") or "") + _attributes_size(message.get("MessageAttributes"))
        for _, message in _messages(params)
    )
    if total > _MOST_MESSAGE_BYTES:
        yield f"message and attributes: at most {_MOST_MESSAGE_BYTES:,} bytes in a request, got {total:,}"


def _attributes(params: Params, known: Known) -> Iterator[str]:
    for place, message in _messages(params):
        given = message.get("MessageAttributes") or {}
        if len(given) > 10:
            yield f"{place}MessageAttributes: at most 10, got {len(given)}"
        for name, value in given.items():
            if not _ATTRIBUTE.fullmatch(name):
                yield f"{place}MessageAttributes: not a name of an attribute: {name!r}"
            kind = str(value.get("DataType", "")).partition(".")[0]
            content = value.get("BinaryValue" if kind == "Binary" else "StringValue")
            if kind not in {"String", "Number", "Binary"} or not content:
                yield f"{place}MessageAttributes.{name}: a String, Number or Binary with a value, got {value!r:.80}"


def _batch(params: Params, known: Known) -> Iterator[str]:
    count = len(params.get("Entries") or ())
    if not 1 <= count <= 10:
        yield f"Entries: 1 to 10 messages in a request, got {count}"


def _entry_ids(params: Params, known: Known) -> Iterator[str]:
    for place, name in values(params, "Entries[].Id"):
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name):
            yield f"{place}: must be 1 to 80 letters, digits, hyphens or underscores, got {name!r}"


def _distinct_ids(params: Params, known: Known) -> Iterator[str]:
    ids = [name for _, name in values(params, "Entries[].Id")]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        yield f"Entries: each Id once, got {', '.join(twice)} repeated"


def _sqs_rules() -> Iterator[Rule]:
    sent = partial(Rule, operations=_SENT, source=f"{_SQS}SendMessage.html")
    yield sent(name="characters of a message", check=_characters, code="InvalidMessageContents")
    yield sent(name="no empty message", check=_not_empty, code="MissingParameter")
    yield sent(name="size of messages", check=_message_size, code=_INVALID)
    guide = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html"
    yield Rule(name="message attributes", operations=_SENT, check=_attributes, source=guide, code=_INVALID)
    for name, check, code in (
        ("messages in a batch", _batch, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
        ("ids in a batch", _entry_ids, "AWS.SimpleQueueService.InvalidBatchEntryId"),
        ("distinct ids in a batch", _distinct_ids, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
    ):
        yield Rule(name=name, operations=_BATCHES, check=check, source=f"{_SQS}SendMessageBatch.html", code=code)
    for operations, path, low, high in (
        (("SendMessage",), "DelaySeconds", 0, 900),
        (("SendMessageBatch",), "Entries[].DelaySeconds", 0, 900),
        (("ChangeMessageVisibility", "ReceiveMessage"), "VisibilityTimeout", 0, 43_200),
        (("ReceiveMessage",), "MaxNumberOfMessages", 1, 10),
        (("ReceiveMessage",), "WaitTimeSeconds", 0, 20),
    ):
        source = f"{_SQS}{operations[0]}.html"
        yield rule.between(path.removeprefix("Entries[]."), operations, path, low, high, source=source, code=_INVALID)


def _subject(params: Params, known: Known) -> Iterator[str]:
    subject = params.get("Subject")
    if subject is None:
        return
    if not 1 <= len(subject) < 100:
        yield f"Subject: at least 1 and less than 100 characters, got {len(subject)}"
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", subject):
        yield f"Subject: no line breaks and no control characters, got {subject!r}"


def _notification(params: Params, known: Known) -> Iterator[str]:
    size = text_bytes(params.get("Message") or "") + _attributes_size(params.get("MessageAttributes"))
    if not params.get("Message"):
        yield "Message: must not be empty"
    if size > _MOST_NOTIFICATION_BYTES:
        yield f"Message: at most {_MOST_NOTIFICATION_BYTES:,} bytes with its attributes, got {size:,}"


def _recipient(params: Params, known: Known) -> Iterator[str]:
    given = [name for name in ("TopicArn", "TargetArn", "PhoneNumber") if params.get(name)]
    if len(given) != 1:
        yield f"one of TopicArn, TargetArn and PhoneNumber must be given, got {given or 'none'}"


def _structure(params: Params, known: Known) -> Iterator[str]:
    if params.get("MessageStructure") == "json":
        message = _object(params.get("Message"))
        if message is None or not isinstance(message.get("default"), str):
            yield "Message: with MessageStructure json, a JSON object with a string at default"


def _object(text: Any) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _events_size(params: Params, known: Known) -> Iterator[str]:
    total = 0
    for entry in params.get("Entries") or ():
        texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")]
        total += sum(map(text_bytes, [*texts, *(entry.get("Resources") or ())])) + 14 * ("Time" in entry)
    if total >= _MOST_EVENTS_BYTES:
        yield f"Entries: less than {_MOST_EVENTS_BYTES:,} bytes together, got {total:,}"


def _entry(wrong: Callable[[Mapping[str, Any]], str | None]) -> Check:
    def check(params: Params, known: Known) -> Iterator[str]:
        for index, entry in enumerate(params.get("Entries") or ()):
            if message := wrong(entry):
                yield f"Entries[{index}].{message}"

    return check


def _incomplete(entry: Mapping[str, Any]) -> str | None:
    missing = [name for name in ("Source", "DetailType", "Detail") if not entry.get(name)]
    return f"{missing[0]}: required" if missing else None


def _detail(entry: Mapping[str, Any]) -> str | None:
    return "Detail: must be a JSON object" if entry.get("Detail") and _object(entry["Detail"]) is None else None


def _detail_type(entry: Mapping[str, Any]) -> str | None:
    length = len(entry.get("DetailType") or "")
    return f"DetailType: at most 128 characters, got {length}" if length > 128 else None


def _of_aws(entry: Mapping[str, Any]) -> str | None:
    return "Source: must not begin with aws." if str(entry.get("Source", "")).startswith("aws.") else None


_sns = partial(Rule, operations=("Publish",), source=_SNS, code="InvalidParameter")
_events = partial(Rule, operations=("PutEvents",), source=f"{_EVENTS}PutEventsRequestEntry.html")

SQS_RULES: tuple[Rule, ...] = tuple(_sqs_rules())
SNS_RULES: tuple[Rule, ...] = (
    _sns(name="subject", check=_subject),
    _sns(name="size of a message", check=_notification),
    _sns(name="one recipient", check=_recipient),
    _sns(name="structure of a message", check=_structure),
)
EVENTS_RULES: tuple[Rule, ...] = (
    Rule(
        name="size of the entries",
        operations=("PutEvents",),
        check=_events_size,
        source=f"{_EVENTS}PutEvents.html",
        code="ValidationException",
    ),
    _events(name="complete entries", check=_entry(_incomplete), code="InvalidArgument", entry=True),
    _events(name="detail is a JSON object", check=_entry(_detail), code="MalformedDetail", entry=True),
    _events(name="length of a detail type", check=_entry(_detail_type), code="InvalidArgument", entry=True),
    Rule(
        name="no source of AWS",
        operations=("PutEvents",),
        check=_entry(_of_aws),
        source=f"{_EVENTS}PutEventsResultEntry.html",
        code="NotAuthorizedForSourceException",
        entry=True,
    ),
)
