"""What the system itself sends to the arrival queue: work that is to be taken up again, or that comes next.

``{"dropbatch": 1, "kind": "held", "runs": [{"group": …, "run_id": …, "job_name": …}]}``,
``{"dropbatch": 1, "kind": "resubmit", "job_name": …, "lease_until": …}``,
``{"dropbatch": 1, "kind": "next", "runs": [{"group": …, "run_id": …}]}`` and
``{"dropbatch": 1, "kind": "requests", "steps": [{"request": "submit", "group": …, "key": …, …}]}``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lambdas.common.messages import Message, PoisonError, count, text

__all__ = [
    "Finished",
    "Held",
    "RequestStep",
    "Resubmit",
    "held_body",
    "next_body",
    "read",
    "requests_body",
    "resubmit_body",
]

_VERSION = 1


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


def read(content: Mapping[str, Any]) -> Message:
    """A message of the system.

    Raises:
        PoisonError, KeyError, TypeError, ValueError, OverflowError, AttributeError: it is not as it was written.
    """
    if content["dropbatch"] != _VERSION:
        raise PoisonError(f"message version {content['dropbatch']!r} is not {_VERSION}")
    match content.get("kind"):
        case "held":
            return Message(held=tuple(_held(run) for run in content["runs"]))
        case "next":
            return Message(
                finished=tuple(
                    Finished(group=text(run["group"]), run_id=text(run["run_id"])) for run in content["runs"]
                )
            )
        case "requests":
            return Message(steps=tuple(_step(step) for step in content["steps"]))
        case "resubmit":
            job = Resubmit(job_name=text(content["job_name"]), lease_until=text(content["lease_until"]))
            return Message(resubmit=(job,))
    raise PoisonError(f"unknown kind {content.get('kind')!r}")


def _held(run: Mapping[str, Any]) -> Held:
    return Held(group=text(run["group"]), run_id=text(run["run_id"]), job_name=text(run["job_name"]))


def _step(step: Mapping[str, Any]) -> RequestStep:
    texts = {name: text(step[name]) for name in ("group", "request", "bucket", "key", "version_id", "stage", "after")}
    size, page, first = (count(step[name]) for name in ("size", "page", "first"))
    return RequestStep(size=size, page=page, first=first, **texts)
