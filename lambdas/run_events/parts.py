"""The parts of the run events function, put together."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from lambdas.common.announce import Announcer
from lambdas.common.brake import Brake
from lambdas.run_events.book import Book
from lambdas.run_events.door import Door
from lambdas.run_events.endings import Endings
from lambdas.run_events.flow import RunEventsFlow
from lambdas.run_events.mails import Mails
from lambdas.run_events.reconcile import SLICE, Reconcile
from lambdas.run_events.repairs import Repairs

__all__ = ["Clients", "Parts", "put_together"]


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The AWS services that the function talks to."""

    dynamodb: Any
    s3: Any
    events: Any
    batch: Any
    sqs: Any
    sns: Any


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the handler calls."""

    flow: RunEventsFlow
    reconcile: Reconcile


def put_together(
    clients: Clients,
    deployment: Deployment,
    *,
    table: str,
    bucket: str,
    arrival_url: str,
    topic_arn: str,
    contacts_arn: str = "",
    clock: ledger.Clock = ledger.utc_now,
    sleep: Callable[[float], None] = time.sleep,
    slice_size: int = SLICE,
) -> Parts:
    """`bucket` is the output bucket, `arrival_url` the arrival queue's; the topics mail to operators and contacts."""
    dynamodb, batch = clients.dynamodb, clients.batch
    book = Book(dynamodb=dynamodb, s3=clients.s3, table=table, bucket=bucket, clock=clock)
    endings = Endings(dynamodb=dynamodb, table=table, bucket=bucket, deployment=deployment, clock=clock, sleep=sleep)
    announcer = Announcer(events=clients.events, dynamodb=dynamodb, table=table, environment=deployment.environment)
    door = Door(sqs=clients.sqs, url=arrival_url)
    mails = Mails(
        dynamodb=dynamodb,
        s3=clients.s3,
        sns=clients.sns,
        table=table,
        bucket=bucket,
        topic_arn=topic_arn,
        contacts_arn=contacts_arn,
        deployment=deployment,
        clock=clock,
    )
    flow = RunEventsFlow(book=book, endings=endings, announcer=announcer, door=door, mails=mails, deployment=deployment)
    queues = [pool.queue for pool in deployment.pools.values()]
    brake = Brake(dynamodb=dynamodb, batch=batch, table=table, queues=queues, clock=clock)

    def repairs(at: datetime, is_late: Callable[[], bool]) -> Repairs:
        return Repairs(book=book, flow=flow, batch=batch, door=door, deployment=deployment, at=at, is_late=is_late)

    reconcile = Reconcile(
        book=book, brake=brake, mails=mails, deployment=deployment, repairs=repairs, slice_size=slice_size
    )
    return Parts(flow=flow, reconcile=reconcile)
