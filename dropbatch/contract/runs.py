"""States of runs and their order, and the ids of runs and requests."""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum

__all__ = ["FINAL_STATES", "State", "next_run_id", "order", "request_id", "run_id", "split_request_id"]


class State(StrEnum):
    """States of a run. The first three are unfinished, the others final."""

    HELD = "HELD"
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """Whether the state is the last one of an attempt."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({State.SUCCEEDED, State.FAILED, State.REJECTED, State.CANCELLED})

_RANKS = {State.HELD: 0, State.SUBMITTED: 1, State.RUNNING: 2}
_FINAL_RANK = 9
_ATTEMPT_STEP = 10


def order(attempt: int, state: State) -> int:
    """Return a sort key of attempt and state, as one number that a conditional write can compare.

    An update is applied only if its order is higher than the stored one, so late or repeated events change nothing.
    """
    return attempt * _ATTEMPT_STEP + _RANKS.get(state, _FINAL_RANK)


def request_id(key: str, version_id: str) -> str:
    """Return the identity of a request. Each version of a request file is one request, however often it is reported."""
    return f"{key}@{version_id}"


def split_request_id(identity: str) -> tuple[str, str]:
    """Return key and version of a request's identity."""
    key, _, version_id = identity.rpartition("@")
    return key, version_id


def run_id(
    *,
    group: str,
    pipeline: str,
    bucket: str,
    key: str,
    version_id: str,
    parameters: Mapping[str, str] | None = None,
    request_id: str = "",
) -> str:
    """Return the id of a run: ``r-`` and 20 hex digits of the SHA-256 of the arguments.

    Two events about the same object version give the same id, so the second one is recognized as a duplicate.
    """
    parts = [group, pipeline, bucket, key, version_id, dict(sorted((parameters or {}).items())), request_id]
    # JSON separates the parts unambiguously, so different parts cannot make equal texts.
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return "r-" + hashlib.sha256(text.encode()).hexdigest()[:20]


def next_run_id(pipeline: str, parent_run_id: str) -> str:
    """Return the id of the run of a pipeline that follows run `parent_run_id` in a chain."""
    text = json.dumps(["next", pipeline, parent_run_id], separators=(",", ":"))
    return "r-" + hashlib.sha256(text.encode()).hexdigest()[:20]
