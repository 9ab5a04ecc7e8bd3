"""What the arrival queue carries: notifications of S3, by itself or by EventBridge, and the system's own messages."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from lambdas.common.system_messages import Finished, Held, RequestStep, Resubmit

__all__ = ["Arrival", "Message", "PoisonError", "count", "parse", "text"]


class Arrival(NamedTuple):
    """An object version that was put into the input bucket."""

    bucket: str
    key: str
    version_id: str
    """Empty when the bucket has no versioning."""
    size: int
    """Bytes."""
    etag: str


class Message(NamedTuple):
    """A message, understood. A test event of S3 has no content."""

    arrivals: tuple[Arrival, ...] = ()
    held: "tuple[Held, ...]" = ()
    resubmit: "tuple[Resubmit, ...]" = ()
    finished: "tuple[Finished, ...]" = ()
    steps: "tuple[RequestStep, ...]" = ()


class PoisonError(ValueError):
    """A message that no later attempt will understand; says why."""


def parse(body: str) -> Message:
    """Read the body of a message.

    Raises:
        PoisonError: the message can never be understood.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PoisonError(f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise PoisonError(f"a JSON object is needed, got a {type(content).__name__}")
    try:
        if "dropbatch" in content:
            from lambdas.common import system_messages  # noqa: PLC0415 - seldom: no part of every cold start

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
        raise PoisonError(f"field missing or of another type: {type(error).__name__} {error}") from error
    raise PoisonError(f"unknown kind of message with the fields {', '.join(sorted(content)) or '(none)'}")


def _is_creation(record: Mapping[str, Any]) -> bool:
    return text(record["eventName"]).startswith("ObjectCreated:")


def _arrival(record: Mapping[str, Any]) -> Arrival:
    thing = record["s3"]["object"]
    return Arrival(
        bucket=text(record["s3"]["bucket"]["name"]),
        # S3 encodes keys as forms do: a space is a plus, everything else percent-encoded UTF-8.
        key=unquote_plus(text(thing["key"]), errors="strict"),
        version_id=text(thing.get("versionId") or ""),
        size=count(thing.get("size", 0)),
        etag=text(thing.get("eTag", "")),
    )


def _event(detail: Mapping[str, Any]) -> Arrival:
    """The arrival in an event of EventBridge, which leaves keys as they are."""
    thing = detail["object"]
    return Arrival(
        bucket=text(detail["bucket"]["name"]),
        key=text(thing["key"]),
        version_id=text(thing.get("version-id") or ""),
        size=count(thing.get("size", 0)),
        etag=text(thing.get("etag", "")),
    )


def count(value: Any) -> int:
    """A field that holds a number of bytes or of things.

    Raises:
        TypeError, ValueError, OverflowError: it holds anything else.
    """
    number = int(value)
    if not 0 <= number < 2**63:
        raise ValueError(f"a number of bytes is needed, got {number}")
    return number


def text(value: Any) -> str:
    """A field that holds a text.

    Raises:
        TypeError, ValueError: it holds anything else.
    """
    if not isinstance(value, str):
        raise TypeError(f"text is needed, got {value!r}")
    value.encode()  # a lone surrogate is no text: no key in S3 and no string in DynamoDB holds it
    return value
