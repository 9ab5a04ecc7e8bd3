"""A simulated deployment whose arrival and run-events functions a test drives step by step."""

from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.usage import MonthUsage, month_usage
from lambdas.arrival.flow import ArrivalFlow
from tests.lambdas.conftest import DEPLOYMENT, dropped, make_arrival, run_events, sqs_record
from tests.lambdas.simulated_aws import SimulatedAws

# Retries with more memory; prices in one of two pools.
STEPS = DEPLOYMENT._replace(
    pipelines={
        **DEPLOYMENT.pipelines,
        "wordcount": DEPLOYMENT.pipelines["wordcount"]._replace(memory_steps=(4096, 8192)),
    },
    pools={
        "spot": DEPLOYMENT.pools["spot"]._replace(usd_per_vcpu_hour=0.36, usd_per_gib_hour=0.036),
        "ondemand": DEPLOYMENT.pools["ondemand"],
    },
)


class Life:
    """A simulated deployment that a test drives step by step."""

    def __init__(self, aws: SimulatedAws, deployment: Deployment) -> None:
        self.aws = aws
        self.arrival: ArrivalFlow = make_arrival(aws, deployment)
        parts = run_events(aws, deployment)
        self.flow, self.reconcile = parts.flow, parts.reconcile

    def drop(self, *keys: str) -> dict[str, Any]:
        """Drop files and return the last job submitted."""
        self.drop_quietly(*keys)
        return self.last_job()

    def drop_quietly(self, *keys: str) -> None:
        """Drop files; a job need not follow."""
        assert not self.arrival.process([dropped(*keys)]).ids

    def last_job(self) -> dict[str, Any]:
        return list(self.aws.batch.jobs.values())[-1]

    def deliver(self) -> None:
        """Deliver the messages sent to the arrival queue."""
        sent, self.aws.sqs.sent = self.aws.sqs.sent, []
        assert not self.arrival.process(
            [sqs_record(each["MessageBody"], f"m{number}") for number, each in enumerate(sent)]
        ).ids

    def happens(self, *events: dict[str, Any]) -> None:
        """Process job events, then deliver the messages they cause."""
        assert not self.flow.process(list(events)).ids
        self.deliver()

    @property
    def run(self) -> dict[str, Any]:
        (run,) = self.aws.dynamodb.runs()
        return run


def usage_of_month(aws: SimulatedAws, month: str = "2023-11") -> dict[str, MonthUsage]:
    """Return the month's usage of group "lab" by pipeline."""
    items = [aws.dynamodb.plain(key) for key in ledger.usage_keys("lab", month) if key in aws.dynamodb.items]
    return month_usage(items)
