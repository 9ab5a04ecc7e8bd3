"""CloudWatch metrics that the functions write and alarms watch: their names, and their embedded metric format.

CloudWatch makes metrics of log lines in this format:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ["BY_ENVIRONMENT", "NAMESPACE", "REFUSED", "REPAIRED", "embedded"]

NAMESPACE = "dropbatch"
BY_ENVIRONMENT = "Environment"
"""Dimension of every metric."""
REPAIRED = "Repaired"
"""Number of repairs in a round of reconcile, of all kinds."""
REFUSED = "SubmissionsRefused"
"""Number of jobs that Batch refused at least twice."""


def embedded(name: str, value: int, *, environment: str, at: datetime, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the log line of a count; `fields` are further fields of the line that are not metrics."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[BY_ENVIRONMENT]],
        "Metrics": [{"Name": name, "Unit": "Count"}],
    }
    return {
        "_aws": {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]},
        BY_ENVIRONMENT: environment,
        name: value,
        **fields,
    }
