"""What reconcile did, as a line of the log and as metrics."""

import json
import logging
from collections.abc import Mapping
from datetime import datetime

__all__ = ["NAMESPACE", "metrics", "report"]

log = logging.getLogger("dropbatch")

NAMESPACE = "dropbatch"


def report(environment: str, repairs: Mapping[str, int], *, at: datetime) -> None:
    """Log what was repaired; CloudWatch makes metrics of the second line by itself (embedded metric format)."""
    log.info("reconcile: %s", dict(repairs) or "nothing to repair")
    print(json.dumps(metrics(environment, repairs, at=at)))


def metrics(environment: str, repairs: Mapping[str, int], *, at: datetime) -> dict[str, object]:
    """Metric ``Repaired``, all kinds together, by environment; the kinds are fields beside it.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Environment"]],
        "Metrics": [{"Name": "Repaired", "Unit": "Count"}],
    }
    return {
        "_aws": {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]},
        "Environment": environment,
        "Repaired": sum(repairs.values()),
        "kinds": dict(repairs),
    }
