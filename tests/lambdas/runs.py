"""Build runs from a few plain values."""

from collections.abc import Mapping
from typing import Any

from dropbatch.contract.items import Run

__all__ = ["make_run"]

_DEFAULTS: Mapping[str, Any] = {
    "group": "lab",
    "pipeline": "wordcount",
    "run_id": "r-0123456789abcdef0123",
    "state": "HELD",
    "attempt": 1,
    "input": "s3://in/lab/wordcount/a",
    "version_id": "v1",
    "size": 3,
    "created_at": "2026-01-01T09:00:00.000Z",
    "updated_at": "2026-01-01T09:00:00.000Z",
    "unfinished": "u#0",
}


def make_run(values: Mapping[str, Any]) -> Run:
    """Return the run of a RUN item with these values and defaults for the others."""
    return Run.from_item({**_DEFAULTS, **values})
