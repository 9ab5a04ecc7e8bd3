"""The operators' CloudWatch dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cdktf_cdktf_provider_aws.cloudwatch_dashboard import CloudwatchDashboard
from constructs import Construct

from constructs_lib.json_text import json_text
from constructs_lib.pool import Pool
from constructs_lib.queue import Queue
from constructs_lib.run_log import RunLog
from constructs_lib.site import Site

__all__ = ["Dashboard", "DashboardProps"]

_WIDTH, _HEIGHT = 12, 6


@dataclass(frozen=True, kw_only=True)
class DashboardProps:
    """What is shown."""

    site: Site
    runs: RunLog
    queues: Sequence[Queue]
    pools: Sequence[Pool]


class Dashboard(Construct):
    """Runs by state, failures by pipeline, age of what waits, machines in use, spend."""

    def __init__(self, scope: Construct, id_: str, props: DashboardProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        log = props.runs.log_name
        widgets = [
            _counted(site, "Runs by state", log, "stats count(*) by detail.state, bin(1h)"),
            _counted(
                site,
                "Failures by pipeline",
                log,
                'filter detail.state = "FAILED" | stats count(*) by detail.pipeline, bin(1h)',
            ),
            _measured(
                site,
                "Age of the oldest message (s)",
                [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue.name] for queue in props.queues],
            ),
            _measured(
                site,
                "vCPUs reserved by jobs (% of the machines there are)",
                [
                    ["AWS/ECS", "CPUReservation", "ClusterName", pool.cluster_name, {"label": pool.name}]
                    for pool in props.pools
                ],
            ),
            _measured(
                site,
                "vCPUs in use (whole account)",
                [["AWS/Usage", "ResourceCount", *_usage(each), {"label": each}] for each in _CLASSES],
            ),
            # AWS has this in one region only, for the whole account, and where billing alerts are switched on.
            {
                **_measured(
                    site,
                    "Spend this month (USD, whole account); by deployment: AWS Budgets",
                    [["AWS/Billing", "EstimatedCharges", "Currency", "USD"]],
                    period=21_600,
                    region="us-east-1",
                )
            },
        ]
        for number, widget in enumerate(widgets):
            widget |= {"x": number % 2 * _WIDTH, "y": number // 2 * _HEIGHT, "width": _WIDTH, "height": _HEIGHT}
        dashboard = CloudwatchDashboard(
            self, "Dashboard", dashboard_name=site.prefix, dashboard_body=json_text({"widgets": widgets})
        )
        self.url = (
            f"https://{site.region}.console.aws.amazon.com/cloudwatch/home?region={site.region}"
            f"#dashboards:name={dashboard.dashboard_name}"
        )


_CLASSES = ("Standard/Spot", "Standard/OnDemand", "G/Spot", "G/OnDemand")


def _usage(kind: str) -> list[str]:
    return ["Type", "Resource", "Resource", "vCPU", "Service", "EC2", "Class", kind]


def _measured(
    site: Site, title: str, metrics: list[Any], *, period: int = 300, region: str | None = None
) -> dict[str, Any]:
    return {
        "type": "metric",
        "properties": {
            "title": title,
            "metrics": metrics,
            "region": region or site.region,
            "stat": "Maximum",
            "period": period,
            "view": "timeSeries",
        },
    }


def _counted(site: Site, title: str, log: str, query: str) -> dict[str, Any]:
    return {
        "type": "log",
        "properties": {
            "title": title,
            "query": f"SOURCE '{log}' | {query}",
            "region": site.region,
            "view": "bar",
            "stacked": True,
        },
    }
