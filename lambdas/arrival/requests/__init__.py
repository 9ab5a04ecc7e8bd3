"""Requests: files that start runs, or that retry, rerun, reproduce or cancel existing ones.

- Pure parsing and checks: `parse`, `submission`, `legacy`, `inputs`, `actions`.
- From a submission to runs: `listing` lists buckets, `plans` makes runs of objects.
- Processing: `processor` does the steps; `run_requests`, `reproductions` and `cancel` are about existing runs.
"""

from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.requests.cancel import Canceller
from lambdas.arrival.requests.processor import RequestProcessor
from lambdas.arrival.requests.run_requests import RunRequests
from lambdas.common.publisher import Publisher

__all__ = ["RequestProcessor", "request_processor"]


def request_processor(deps: Dependencies, publisher: Publisher) -> RequestProcessor:
    """Return the request processor of a deployment."""
    return RequestProcessor(deps, RunRequests(deps, Canceller(deps, publisher), publisher))
