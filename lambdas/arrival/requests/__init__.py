"""Requests: files that ask for runs, or for something to happen to runs.

Reading and checking (`parse`, `fields`, `submission`, `legacy`, `inputs`, `actions`) is pure. `listing` reads buckets,
`expansion` makes runs of their objects, `plans` stores them. `processor` processes requests step by step;
`run_requests`, `reproductions` and `cancel` those about existing runs.
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
