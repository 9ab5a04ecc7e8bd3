"""Create the parts of the run events function."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from lambdas.common.brake import Brake
from lambdas.common.control_objects import ControlObjects
from lambdas.common.publisher import Publisher
from lambdas.common.system_messages import ArrivalQueue
from lambdas.ledger.table import Ledger
from lambdas.run_events.attempts import Endings
from lambdas.run_events.flow import RunEventsFlow
from lambdas.run_events.mails import Mails
from lambdas.run_events.reconcile import SLICE, Reconcile
from lambdas.run_events.repairs import Repairs

__all__ = ["Clients", "Parts", "assemble"]


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The function's AWS clients."""

    dynamodb: Any
    s3: Any
    events: Any
    batch: Any
    sqs: Any
    sns: Any


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts that the handler calls."""

    flow: RunEventsFlow
    reconcile: Reconcile


def assemble(
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
    """Create the parts of the function.

    Args:
        clients: AWS clients.
        deployment: the deployment.
        table: name of the ledger table.
        bucket: name of the output bucket.
        arrival_url: URL of the arrival queue.
        topic_arn: topic that mails to operators.
        contacts_arn: topic that mails to contacts of groups; empty for none.
        clock: returns the current time.
        sleep: waits for a number of seconds.
        slice_size: number of runs that reconcile keeps in memory.
    """
    table_ = Ledger(clients.dynamodb, table, clock=clock, sleep=sleep)
    objects = ControlObjects(clients.s3, bucket)
    arrivals = ArrivalQueue(sqs=clients.sqs, url=arrival_url)
    mails = Mails(
        table_,
        s3=clients.s3,
        sns=clients.sns,
        bucket=bucket,
        topic_arn=topic_arn,
        contacts_arn=contacts_arn,
        deployment=deployment,
    )
    flow = RunEventsFlow(
        table=table_,
        objects=objects,
        endings=Endings(table_, bucket=bucket, deployment=deployment),
        publisher=Publisher(table_, events=clients.events, environment=deployment.environment),
        arrivals=arrivals,
        mails=mails,
        deployment=deployment,
    )
    brake = Brake(table_, batch=clients.batch, queues=[pool.queue for pool in deployment.pools.values()])

    def repairs(at: datetime, is_late: Callable[[], bool]) -> Repairs:
        return Repairs(
            table=table_,
            objects=objects,
            flow=flow,
            batch=clients.batch,
            arrivals=arrivals,
            deployment=deployment,
            at=at,
            is_late=is_late,
        )

    reconcile = Reconcile(
        table=table_, brake=brake, mails=mails, deployment=deployment, repairs=repairs, slice_size=slice_size
    )
    return Parts(flow=flow, reconcile=reconcile)
