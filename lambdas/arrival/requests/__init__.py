"""Requests: files that ask for runs, or for something to happen to runs.

Reading and checking (`text`, `fields`, `submission`, `older`, `inputs`, `actions`) is pure. `listing` looks at
buckets, `expansion` makes runs of what it finds, `plans` keeps that. `desk` takes requests on, a piece at a time;
`runs_desk`, `reproductions` and `cancel` those about runs that exist.
"""

from lambdas.arrival.requests.cancel import Canceller
from lambdas.arrival.requests.desk import RequestDesk
from lambdas.arrival.requests.runs_desk import RunsDesk
from lambdas.arrival.surroundings import Surroundings
from lambdas.common.announce import Announcer

__all__ = ["RequestDesk", "request_desk"]


def request_desk(around: Surroundings, announcer: Announcer) -> RequestDesk:
    """The desk of a deployment."""
    return RequestDesk(around, RunsDesk(around, Canceller(around, announcer), announcer))
