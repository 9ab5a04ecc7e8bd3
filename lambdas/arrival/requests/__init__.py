"""Requests: files that ask for runs, or for something to happen to runs.

Reading and checking (`text`, `fields`, `submission`, `older`, `inputs`, `globs`, `actions`) is pure. `listing` looks at
buckets, `expansion` makes runs of what it finds, `plans` keeps that. `desk` takes requests on, a piece at a time;
`runs_desk` and `cancel` those about runs that exist.
"""

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from lambdas.arrival.clients import Clients
from lambdas.arrival.requests.cancel import Canceller
from lambdas.arrival.requests.desk import RequestDesk
from lambdas.arrival.requests.runs_desk import RunsDesk
from lambdas.common.announce import Announcer

__all__ = ["RequestDesk", "request_desk"]


def request_desk(
    *,
    deployment: Deployment,
    clients: Clients,
    table: str,
    bucket: str,
    arrival_url: str,
    announcer: Announcer,
    clock: ledger.Clock,
) -> RequestDesk:
    """The desk of a deployment; `bucket` is the output bucket."""
    canceller = Canceller(
        dynamodb=clients.dynamodb,
        s3=clients.s3,
        batch=clients.batch,
        table=table,
        bucket=bucket,
        announcer=announcer,
        clock=clock,
    )
    runs = RunsDesk(
        deployment=deployment,
        dynamodb=clients.dynamodb,
        sqs=clients.sqs,
        table=table,
        arrival_url=arrival_url,
        canceller=canceller,
        announcer=announcer,
        clock=clock,
    )
    return RequestDesk(
        deployment=deployment, s3=clients.s3, sqs=clients.sqs, bucket=bucket, arrival_url=arrival_url, runs=runs
    )
