"""Messages that the system sends to the arrival queue: ask for jobs of held runs, submit a job again, and so on.

``{"dropbatch": 1, "kind": "held", "runs": [{"group": …, "run_id": …, "job_name": …}]}``,
``{"dropbatch": 1, "kind": "resubmit", "job_name": …, "lease_until": …}``,
``{"dropbatch": 1, "kind": "next", "runs": [{"group": …, "run_id": …}]}`` and
``{"dropbatch": 1, "kind": "requests", "steps": [{"request": "submit", "group": …, "key": …, …}]}``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dropbatch.contract.batches import chunks
from lambdas.common.messages import Message, PoisonError, count, text

__all__ = [
    "ArrivalQueue",
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
    """A held run that needs a job."""

    group: str
    run_id: str
    job_name: str
    """The run's job name. If the run has another one by now, the message is ignored."""


class Resubmit(NamedTuple):
    """A prepared job that may not have been submitted."""

    job_name: str
    lease_until: str
    """The expired lease. If the job has another one by now, the message is ignored."""


class Finished(NamedTuple):
    """A run that succeeded, and that next runs follow."""

    group: str
    run_id: str


class RequestStep(NamedTuple):
    """One step of a request, small enough for one invocation."""

    group: str
    request: str
    """Kind of the request, for example ``submit``."""
    bucket: str
    key: str
    version_id: str
    size: int
    stage: str = ""
    """``start`` to start the runs of a submission's plan; empty for all other steps."""
    page: int = 0
    first: int = 0
    """Number of the first run within the page."""
    after: str = ""
    """Key after which a listing continues."""


def held_body(runs: Sequence[Held]) -> str:
    """Return the body of a message that asks for jobs of held runs."""
    return json.dumps({"dropbatch": _VERSION, "kind": "held", "runs": [run._asdict() for run in runs]})


def next_body(runs: Sequence[Finished]) -> str:
    """Return the body of a message that asks for the next runs after finished ones."""
    return json.dumps({"dropbatch": _VERSION, "kind": "next", "runs": [run._asdict() for run in runs]})


def resubmit_body(job: Resubmit) -> str:
    """Return the body of a message that asks to submit a prepared job again."""
    return json.dumps({"dropbatch": _VERSION, "kind": "resubmit", **job._asdict()})


def requests_body(steps: Sequence[RequestStep]) -> str:
    """Return the body of a message that asks for further steps of requests."""
    return json.dumps({"dropbatch": _VERSION, "kind": "requests", "steps": [step._asdict() for step in steps]})


def read(content: Mapping[str, Any]) -> Message:
    """Read a message of the system.

    Raises:
        PoisonError, KeyError, TypeError, ValueError, OverflowError, AttributeError: the format is wrong.
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


_PER_MESSAGE = 100


class ArrivalQueue:
    """Sends messages to the arrival queue."""

    def __init__(self, *, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def ask_for_jobs(self, runs: Sequence[Held]) -> None:
        """Ask for jobs for held runs."""
        for part in chunks(dict.fromkeys(runs), _PER_MESSAGE):
            self._send(held_body(part))

    def ask_for_next_steps(self, runs: Sequence[Finished]) -> None:
        """Ask for the next runs after finished runs."""
        for part in chunks(dict.fromkeys(runs), _PER_MESSAGE):
            self._send(next_body(part))

    def ask_to_resubmit(self, job: Resubmit) -> None:
        """Ask to submit a prepared job again."""
        self._send(resubmit_body(job))

    def _send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body)
