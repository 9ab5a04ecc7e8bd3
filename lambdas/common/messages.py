"""Parse messages of the arrival queue: notifications of S3 (direct or from EventBridge), and those of the system."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from lambdas.common.system_messages import Finished, Held, RequestStep, Resubmit

__all__ = ["Arrival", "Message", "PoisonError", "count", "parse", "text"]


class Arrival(NamedTuple):
    """A new object version in the input bucket."""

    bucket: str
    key: str
    version_id: str
    """Empty when the bucket has no versioning."""
    size: int
    """Bytes."""
    etag: str


class Message(NamedTuple):
    """The content of a message. A test event of S3 has none."""

    arrivals: tuple[Arrival, ...] = ()
    held: "tuple[Held, ...]" = ()
    resubmit: "tuple[Resubmit, ...]" = ()
    finished: "tuple[Finished, ...]" = ()
    steps: "tuple[RequestStep, ...]" = ()


class PoisonError(ValueError):
    """The message can never be processed; the text says why."""


def parse(body: str) -> Message:
    """Parse the body of a message.

    Raises:
        PoisonError: the message can never be processed.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PoisonError(f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise PoisonError(f"must be a JSON object, got a {type(content).__name__}")
    try:
        if "dropbatch" in content:
            from lambdas.common import system_messages  # noqa: PLC0415 - few messages need it

            return system_messages.read(content)
        if content.get("Event") == "s3:TestEvent":
            return Message()
        if "Records" in content:
            return Message(arrivals=tuple(_arrival(record) for record in content["Records"] if _is_creation(record)))
        if content.get("source") == "aws.s3":
            created = content["detail-type"] == "Object Created"
            return Message(arrivals=(_event(content["detail"]),)) if created else Message()
    except PoisonError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise PoisonError(f"a field is missing or has a wrong type: {type(error).__name__} {error}") from error
    raise PoisonError(f"unknown kind of message with the fields {', '.join(sorted(content)) or '(none)'}")


def _is_creation(record: Mapping[str, Any]) -> bool:
    return text(record["eventName"]).startswith("ObjectCreated:")


def _arrival(record: Mapping[str, Any]) -> Arrival:
    object_ = record["s3"]["object"]
    return Arrival(
        bucket=text(record["s3"]["bucket"]["name"]),
        # S3 encodes keys like form data: a space becomes a plus, other characters percent-encoded UTF-8.
        key=unquote_plus(text(object_["key"]), errors="strict"),
        version_id=text(object_.get("versionId") or ""),
        size=count(object_.get("size", 0)),
        etag=text(object_.get("eTag", "")),
    )


def _event(detail: Mapping[str, Any]) -> Arrival:
    """The arrival in an EventBridge event, whose keys are not encoded."""
    object_ = detail["object"]
    return Arrival(
        bucket=text(detail["bucket"]["name"]),
        key=text(object_["key"]),
        version_id=text(object_.get("version-id") or ""),
        size=count(object_.get("size", 0)),
        etag=text(object_.get("etag", "")),
    )


def count(value: Any) -> int:
    """Return a field's value as a number of bytes or items.

    Raises:
        TypeError, ValueError, OverflowError: it is anything else.
    """
    number = int(value)
    if not 0 <= number < 2**63:
        raise ValueError(f"must be a number of bytes, got {number}")
    return number


def text(value: Any) -> str:
    """Return a field's value as a text.

    Raises:
        TypeError, ValueError: it is anything else.
    """
    if not isinstance(value, str):
        raise TypeError(f"must be text, got {value!r}")
    value.encode()  # raises an error for a lone surrogate, which neither S3 nor DynamoDB can store
    return value
