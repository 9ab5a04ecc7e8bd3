"""What the arrival queue carries: notifications of S3, and the system's own requests.

Messages of our own are ``{"dropbatch": 1, "kind": "held", "runs": [{"group": …, "run_id": …, "job_name": …}]}``,
``{"dropbatch": 1, "kind": "resubmit", "job_name": …, "lease_until": …}``,
``{"dropbatch": 1, "kind": "next", "runs": [{"group": …, "run_id": …}]}`` and
``{"dropbatch": 1, "kind": "requests", "steps": [{"request": "submit", "group": …, "key": …, …}]}``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

__all__ = [
    "Arrival",
    "Finished",
    "Held",
    "Message",
    "PoisonError",
    "RequestStep",
    "Resubmit",
    "held_body",
    "next_body",
    "parse",
    "requests_body",
    "resubmit_body",
]

_VERSION = 1


class Arrival(NamedTuple):
    """An object version that was put into the input bucket."""

    bucket: str
    key: str
    version_id: str
    """Empty when the bucket has no versioning."""
    size: int
    """Bytes."""
    etag: str


class Held(NamedTuple):
    """A run that waits and shall be tried again."""

    group: str
    run_id: str
    job_name: str
    """The job that does not come; a run that has another by now needs nothing."""


class Resubmit(NamedTuple):
    """A prepared job of which nobody knows whether it was submitted."""

    job_name: str
    lease_until: str
    """The lease that ran out; under any other, somebody has seen to the job meanwhile."""


class Finished(NamedTuple):
    """A run that succeeded, after which others come."""

    group: str
    run_id: str


class RequestStep(NamedTuple):
    """A piece of a request's work, small enough for one invocation."""

    group: str
    request: str
    """Kind of the request, such as ``submit``."""
    bucket: str
    key: str
    version_id: str
    size: int
    stage: str = ""
    """What is to be done; empty: the first thing."""
    page: int = 0
    first: int = 0
    """Number, within the page, of the run to begin with."""
    after: str = ""
    """Key after which a listing goes on."""


class Message(NamedTuple):
    """A message, understood. A test event of S3 has no content."""

    arrivals: tuple[Arrival, ...] = ()
    held: tuple[Held, ...] = ()
    resubmit: tuple[Resubmit, ...] = ()
    finished: tuple[Finished, ...] = ()
    steps: tuple[RequestStep, ...] = ()


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
            return _own(content)
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


def held_body(runs: Sequence[Held]) -> str:
    """Body of a message that asks for runs to be tried again."""
    return json.dumps({"dropbatch": _VERSION, "kind": "held", "runs": [run._asdict() for run in runs]})


def next_body(runs: Sequence[Finished]) -> str:
    """Body of a message that asks for the next steps after runs."""
    return json.dumps({"dropbatch": _VERSION, "kind": "next", "runs": [run._asdict() for run in runs]})


def resubmit_body(job: Resubmit) -> str:
    """Body of a message that asks for a prepared job to be submitted."""
    return json.dumps({"dropbatch": _VERSION, "kind": "resubmit", **job._asdict()})


def requests_body(steps: Sequence[RequestStep]) -> str:
    """Body of a message that asks for more of some requests' work."""
    return json.dumps({"dropbatch": _VERSION, "kind": "requests", "steps": [step._asdict() for step in steps]})


def _own(content: Mapping[str, Any]) -> Message:
    if content["dropbatch"] != _VERSION:
        raise PoisonError(f"message version {content['dropbatch']!r} is not {_VERSION}")
    match content.get("kind"):
        case "held":
            return Message(held=tuple(_held(run) for run in content["runs"]))
        case "next":
            return Message(
                finished=tuple(
                    Finished(group=_text(run["group"]), run_id=_text(run["run_id"])) for run in content["runs"]
                )
            )
        case "requests":
            return Message(steps=tuple(_step(step) for step in content["steps"]))
        case "resubmit":
            job = Resubmit(job_name=_text(content["job_name"]), lease_until=_text(content["lease_until"]))
            return Message(resubmit=(job,))
    raise PoisonError(f"unknown kind {content.get('kind')!r}")


def _held(run: Mapping[str, Any]) -> Held:
    return Held(group=_text(run["group"]), run_id=_text(run["run_id"]), job_name=_text(run["job_name"]))


def _step(step: Mapping[str, Any]) -> RequestStep:
    texts = {name: _text(step[name]) for name in ("group", "request", "bucket", "key", "version_id", "stage", "after")}
    size, page, first = (_count(step[name]) for name in ("size", "page", "first"))
    return RequestStep(size=size, page=page, first=first, **texts)


def _is_creation(record: Mapping[str, Any]) -> bool:
    return _text(record["eventName"]).startswith("ObjectCreated:")


def _arrival(record: Mapping[str, Any]) -> Arrival:
    thing = record["s3"]["object"]
    return Arrival(
        bucket=_text(record["s3"]["bucket"]["name"]),
        # S3 encodes keys as forms do: a space is a plus, everything else percent-encoded UTF-8.
        key=unquote_plus(_text(thing["key"]), errors="strict"),
        version_id=_text(thing.get("versionId") or ""),
        size=_count(thing.get("size", 0)),
        etag=_text(thing.get("eTag", "")),
    )


def _event(detail: Mapping[str, Any]) -> Arrival:
    """The arrival in an event of EventBridge, which leaves keys as they are."""
    thing = detail["object"]
    return Arrival(
        bucket=_text(detail["bucket"]["name"]),
        key=_text(thing["key"]),
        version_id=_text(thing.get("version-id") or ""),
        size=_count(thing.get("size", 0)),
        etag=_text(thing.get("etag", "")),
    )


def _count(value: Any) -> int:
    number = int(value)
    if not 0 <= number < 2**63:
        raise ValueError(f"a number of bytes is needed, got {number}")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is needed, got {value!r}")
    value.encode()  # a lone surrogate is no text: no key in S3 and no string in DynamoDB holds it
    return value
