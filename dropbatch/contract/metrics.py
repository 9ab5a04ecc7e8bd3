"""Metrics that the functions write, and alarms watch: names in CloudWatch, and the line of a log that makes one.

CloudWatch reads such a line of a function's log by itself (embedded metric format).
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ["BY_ENVIRONMENT", "NAMESPACE", "REFUSED", "REPAIRED", "embedded"]

NAMESPACE = "dropbatch"
BY_ENVIRONMENT = "Environment"
"""The dimension that every metric has."""
REPAIRED = "Repaired"
"""What a round of reconcile repaired, all kinds together."""
REFUSED = "SubmissionsRefused"
"""Jobs that Batch refused, and refused again when they were submitted once more."""


def embedded(name: str, value: int, *, environment: str, at: datetime, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A count of an environment; `fields` stand beside it in the log and make no metric."""
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
